"""An image becomes a container directory that is ready to be published, with a record of what it is.

    ROOT/ container.json imagerepo.name manifest.json   udocker's form, see wrappers.containers.udocker_format
    tree.mtree.gz                                       every file of the above, see `listing`
    history.json.gz                                     which layer made what, see `history`
    record.json                                         digest, source, sizes, time, tool, what was changed
    .cvmfscatalog                                       where the publisher wants nested catalogs

Our own extraction unpacks layers while later ones are still coming; a layer that is not what its digest says
fails the whole image. Everything becomes readable to all, since jobs run as others than the publisher.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import posixpath
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from cvmfs_deploy import catalogs, history, listing
from cvmfs_deploy.borrowed import BaseImage, first_part, image_paths, is_sound, shared
from cvmfs_deploy.layers import Layers
from cvmfs_deploy.scrub import TreeDifference, merged, scrub
from cvmfs_deploy.sources.base import ImageSource
from engine import __version__
from engine.errors import BadRequest
from wrappers.containers import udocker_format
from wrappers.containers.decompress import Gunzip
from wrappers.containers.errors import CorruptImage
from wrappers.containers.layers import extract
from wrappers.containers.listing import TREE, read_tree
from wrappers.containers.manifests import Resolved, diff_ids_of
from wrappers.containers.tarstream import Layer
from wrappers.containers.tree import remove

TOOL = f"cvmfs-deploy {__version__}"
RECORD = "record.json"
_PLAIN_TREE = frozenset({RECORD, TREE, history.HISTORY})


def fast_gunzip() -> Gunzip:
    """Give what unpacks gzip: Intel's library, twice as fast as zlib."""
    from isal import isal_zlib  # of an extra: other commands do without it

    return Gunzip(isal_zlib.decompressobj, cast(type[Exception], isal_zlib.error))


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """The `record.json` of a container directory."""

    digest: str
    reference: str
    platform: str
    source: str
    compressed: int
    size: int
    entries: int
    layers: tuple[str, ...]
    created: str
    tree: str
    """sha256 of the list of files."""
    history: str = ""
    """sha256 of what each layer did: see `history`."""
    index: str = ""
    """The digest of the index that it was chosen from."""
    tool: str = TOOL
    version: int = 1
    changes: tuple[TreeDifference, ...] = field(default=())


class CreatedContainer(NamedTuple):
    """A container directory, and where those of its files are that are published already, by path."""

    record: ContainerRecord
    borrowed: Mapping[bytes, bytes]


def base_of(container: Path, image: Resolved) -> BaseImage | None:
    """Find the part of a published container directory that an image begins with; None when there is none
    that is sound.
    """
    record = read_record(container)
    if record is None or record.tool != TOOL:  # another version may unpack otherwise
        return None
    layers = shared([layer.digest for layer in image.layers], record.layers)
    if not layers:
        return None
    try:
        entries = read_tree(container)
        if not is_sound(entries, scan(container, hashed=False), record.tree):
            return None
        paths = image_paths(sorted(entries.values(), key=lambda one: one.path))
        past = history.read(container, paths, record.history)
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return first_part(container, layers, entries, past) if past else None


def create(
    source: ImageSource,
    image: Resolved,
    platform: str,
    layers: Layers,
    into: Path,
    now: str,
    catalog_entries: int = 0,
    base: BaseImage | None = None,
) -> CreatedContainer:
    """Make the container directory `into`, which must not exist. After any error it is gone.

    `catalog_entries` is how many a nested catalog may hold; 0 makes none. The layers of `base` are not
    fetched and unpacked: its files stay where they are.

    Raises:
        ContainerError: the image, or this machine.
        BadRequest: the image has a file that CVMFS would misunderstand.
    """
    try:
        into.mkdir(mode=0o755)
        sums: dict[bytes, str] = {}  # taken while files are written: nothing is read again for its hash
        config = source.config(image)
        done = base.layers if base else 0
        diff_ids = diff_ids_of(config, image, platform)[done:]
        root = into / udocker_format.ROOT
        if base:
            base.lay(root)
        try:
            coming = [layers.request(source, image, layer) for layer in image.layers[done:]]
            steps = (Layer(later.result(), id_) for later, id_ in zip(coming, diff_ids, strict=True))
            recorder = history.Recorder(
                os.fsencode(root),
                base.history if base else history.History(),
                lambda text: base is not None and text.startswith(base.token),
            )
            extract(
                steps, root, readable=True, sums=sums, gunzip=fast_gunzip(), onto=bool(base), watch=recorder
            )
        except CorruptImage:
            layers.forget(image.layers)
            raise
        udocker_format.write(into, image.reference, config, image.manifest, image.index_document)
        odd = scrub(into, recorder.losing)
        done_by = recorder.history()
        changes = merged(*done_by.changes, odd)
        targets: Mapping[bytes, bytes] = {}
        entries = scan(into, known=sums)
        if base:
            entries, targets = base.resolved(entries)
        entries = _listed(into, entries, catalog_entries)
        kept = history.write(into, done_by, image_paths(entries))
        return CreatedContainer(
            _sign(into, entries, changes, image, platform, source.name, now, kept), targets
        )
    except BaseException:
        remove(into)
        raise


def read_record(container: Path) -> ContainerRecord | None:
    """Read the record of a container directory; None when it has none that we can read."""
    try:
        data = json.loads((container / RECORD).read_text(encoding="utf-8"))
        known = {key: data[key] for key in ContainerRecord.__dataclass_fields__ if key in data}
        known["changes"] = tuple(
            TreeDifference(one["what"], one["count"], tuple(one["examples"]))
            for one in data.get("changes", ())
        )
        return ContainerRecord(**{**known, "layers": tuple(known["layers"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def really_there(container: Path) -> dict[bytes, listing.ListingEntry]:
    """List what is in a container directory: as its list says where it looks like that, else without a sum.

    Raises:
        OSError: it cannot be read.
    """
    try:
        listed = read_tree(container)
    except (OSError, EOFError, ValueError):
        listed = {}
    found = {entry.path: entry for entry in scan(container, hashed=False)}
    same = {path: one for path, one in listed.items() if found.get(path) == one._replace(sha256="")}
    return {**found, **same}


def scan(
    container: Path, hashed: bool = True, known: Mapping[bytes, str] | None = None
) -> list[listing.ListingEntry]:
    """List what is really there, to be compared with `read_tree`; `known` sums are not computed again."""
    return [one for one in listing.scan(os.fsencode(container), hashed, known) if _counts(one)]


def _counts(entry: listing.ListingEntry) -> bool:
    return entry.path.decode("ascii", "replace") not in _PLAIN_TREE


def _listed(
    container: Path, entries: list[listing.ListingEntry], catalog_entries: int
) -> list[listing.ListingEntry]:
    if not catalog_entries:
        return entries
    directories = [one.path for one in entries if one.kind == "dir"]
    others = [one.path for one in entries if one.kind != "dir"]
    top = os.fsencode(container)
    made = []
    for directory in [b"", *catalogs.catalog_directories(directories, others, catalog_entries)]:
        path = posixpath.join(directory, catalogs.MARKER.encode())
        full = os.path.join(top, path)
        os.close(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        os.chmod(full, 0o644)
        os.utime(full, (0, 0))
        made.append(listing.ListingEntry(path, "file", 0o644, sha256=hashlib.sha256().hexdigest()))
    return sorted([*entries, *made], key=lambda one: one.path)


def _sign(
    into: Path,
    entries: list[listing.ListingEntry],
    changes: list[TreeDifference],
    image: Resolved,
    platform: str,
    source: str,
    now: str,
    history: str,
) -> ContainerRecord:
    unknown = [entry for entry in entries if entry.kind == "other"]
    if unknown:
        raise BadRequest(f"{image.reference.text}: {unknown[0].path!r} is neither file, link nor directory")
    text = listing.write(entries)
    (into / TREE).write_bytes(gzip.compress(text, 6, mtime=0))
    record = ContainerRecord(
        digest=image.digest,
        reference=image.reference.text,
        platform=platform,
        source=source,
        compressed=image.size,
        size=sum(entry.size for entry in entries),
        entries=len(entries),
        layers=tuple(layer.digest for layer in image.layers),
        created=now,
        tree=hashlib.sha256(text).hexdigest(),
        history=history,
        index="sha256:" + hashlib.sha256(image.index_document).hexdigest() if image.index_document else "",
        changes=tuple(changes),
    )
    (into / RECORD).write_text(json.dumps(_plain(record), indent=1) + "\n", encoding="utf-8")
    for entry in os.scandir(into):
        if entry.is_file(follow_symlinks=False):
            os.chmod(entry.path, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
    return record


def _plain(record: ContainerRecord) -> dict[str, Any]:
    return asdict(record)
