"""The part of an image that is published already, and is not unpacked again.

An image may have its first layers from a published one: a later version of a tool, another tool on the same
system, or something that was added. Then only the other layers are fetched and unpacked. In the staged tree,
a symbolic link with a text that no layer can know stands for each file. Where such a link is left in the end,
the file comes with the clone of a template transaction, or is copied from where it is published, and its sum
checked. A file that the published image has no more can only be replaced: if it is left in the end, the image
is unpacked whole.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from cvmfs_deploy import listing
from cvmfs_deploy.catalogs import MARKER
from cvmfs_deploy.history import History
from wrappers.containers import udocker_format
from wrappers.containers.errors import CorruptImage
from wrappers.containers.listing import ListingEntry

_ROOT = udocker_format.ROOT.encode() + b"/"


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The part of a published image that another one begins with."""

    container: Path
    layers: int
    """How many layers made it."""
    entries: Mapping[bytes, ListingEntry]
    history: History
    gone: frozenset[bytes] = frozenset()
    """Files among the entries that are published no more."""
    token: bytes = field(default_factory=lambda: b"published-" + secrets.token_hex(16).encode() + b":")

    def lay(self, root: Path) -> None:
        """Make a tree in which links stand for files.

        Raises:
            OSError: it cannot be written.
        """
        top = os.fsencode(root)
        os.mkdir(top, 0o755)
        for path in sorted(self.entries):
            entry, path_there = self.entries[path], os.path.join(top, path[len(_ROOT) :])
            if entry.kind == "dir":
                os.mkdir(path_there)
                os.chmod(path_there, entry.mode)
            else:
                os.symlink(entry.link if entry.kind == "link" else self.token + path, path_there)

    def resolved(self, entries: Iterable[ListingEntry]) -> tuple[list[ListingEntry], dict[bytes, bytes]]:
        """List a tree, with files in place of the links that stand for them, and where those files are.

        Raises:
            CorruptImage: a layer contradicts what it is applied to, or a file is needed that is gone.
        """
        found, targets = [], {}
        for entry in entries:
            if self.token in entry.path:  # a layer took a file for a directory
                raise CorruptImage(f"a layer names something below a file: {entry.path!r}")
            if entry.kind == "link" and entry.link.startswith(self.token):
                path = entry.link[len(self.token) :]
                if path in self.gone:
                    raise CorruptImage(f"{path!r} of a layer before is not published any more")
                targets[entry.path] = os.path.join(os.fsencode(self.container), path)
                entry = self.entries[path]._replace(path=entry.path)
            found.append(entry)
        return found, targets


def first_part(
    container: Path, layers: int, entries: Mapping[bytes, ListingEntry], history: History
) -> BaseImage:
    """Compute what the first layers of a published image made, from its list and the history of all its
    layers.
    """
    part = {
        path: entry
        for path, entry in entries.items()
        if history.origins.get(path.removeprefix(_ROOT), layers) < layers and path.startswith(_ROOT)
    }
    since = history.lost_since(layers)
    for one in since:
        path = _ROOT + one.path
        part[path] = ListingEntry(path, one.kind, one.mode, link=one.link)
    gone = frozenset(_ROOT + one.path for one in since if one.kind == "file")
    return BaseImage(container, layers, part, history.first(layers), gone)


def image_paths(entries: Iterable[ListingEntry]) -> list[bytes]:
    """Paths of the image's own files in a list, below its root, without what CVMFS alone needs."""
    mark = MARKER.encode()
    return [
        one.path[len(_ROOT) :]
        for one in entries
        if one.path.startswith(_ROOT) and one.path.rpartition(b"/")[2] != mark
    ]


def shared(layers: Iterable[str], theirs: Iterable[str]) -> int:
    """Return how many layers both begin with."""
    pairs = zip(layers, theirs, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def is_sound(entries: Mapping[bytes, ListingEntry], found: Iterable[ListingEntry], tree: str) -> bool:
    """Say whether a published tree has what its list says, and the list is that of its record."""
    if hashlib.sha256(listing.write(entries.values())).hexdigest() != tree:
        return False
    return not listing.differences(entries, {one.path: one for one in found})
