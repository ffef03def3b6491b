"""Whether what is published is what was made, and what the registry says of it today."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cvmfs_deploy import listing
from cvmfs_deploy.create import read_record, scan
from cvmfs_deploy.failures import translated
from cvmfs_deploy.index import Name
from cvmfs_deploy.published import PublishedRepository, links_of
from cvmfs_deploy.sources.base import ImageSource
from engine.errors import EngineError
from wrappers.containers import udocker_format
from wrappers.containers.listing import read_tree
from wrappers.containers.reference import parse


@dataclass(frozen=True, slots=True)
class VerifyFinding:
    """A finding about one image or name."""

    what: str
    digest: str
    state: str
    """`ok`, `damaged`; of a name also `moved` (the registry's tag means another image now) or `unknown`."""
    problems: tuple[str, ...] = ()


def verify_image(seen: PublishedRepository, digest: str, deep: bool) -> VerifyFinding:
    """Compare a published tree with its own list of files; `deep` reads every byte."""
    container = seen.container(digest)
    what = seen.index.images[digest].reference if digest in seen.index.images else digest
    problems = _problems(container, digest, deep)
    return VerifyFinding(what, digest, "damaged" if problems else "ok", tuple(problems))


def verify_links(seen: PublishedRepository) -> list[VerifyFinding]:
    """Names that do not lead where the index says."""
    wrong = [
        VerifyFinding(
            link, "", "damaged", (f"leads to {seen.links.get(link) or 'nothing'}, not to {target}",)
        )
        for link, target in sorted(links_of(seen.layout, seen.index).items())
        if seen.links.get(link) != target
    ]
    trees = {digest.replace(":", "-") for digest in seen.index.images}
    unknown = sorted(seen.trees - trees)
    return wrong + [
        VerifyFinding(name, "", "unknown", ("is in the store, and not in the index",)) for name in unknown
    ]


def compare_with_registry(key: str, name: Name, source: ImageSource) -> VerifyFinding:
    """Say whether the registry still gives the name the same meaning."""
    reference = parse(name.reference)
    try:
        with translated():
            today = source.resolve(reference, name.platform).digest
    except EngineError as error:
        return VerifyFinding(key, name.digest, "unknown", (error.message,))
    if today != name.digest:
        return VerifyFinding(key, name.digest, "moved", (f"in the registry it is {today}",))
    return VerifyFinding(key, name.digest, "ok")


def _problems(container: Path, digest: str, deep: bool) -> list[str]:
    if not container.is_dir():
        return ["is missing"]
    record = read_record(container)
    if record is None:
        return ["record.json cannot be read"]
    if record.digest != digest or udocker_format.digest_of(container) != digest:
        return ["manifest.json or record.json is that of another image"]
    try:
        wanted = read_tree(container)
        text = listing.write(wanted[path] for path in sorted(wanted))
        if hashlib.sha256(text).hexdigest() != record.tree:
            return ["tree.mtree.gz is not the list that record.json is about"]
        found = {entry.path: entry for entry in scan(container, hashed=deep)}
    except (OSError, EOFError, ValueError) as error:
        where = os.fsdecode(getattr(error, "filename", None) or "tree.mtree.gz")
        return [f"{where}: {getattr(error, 'strerror', None) or error}"]
    return listing.differences(wanted, found)
