"""Changes of a file system, as publishers need them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from cvmfs_deploy.layout import checked
from engine.errors import Unavailable
from wrappers.containers.listing import ListingEntry
from wrappers.containers.tree import remove


def put_links(top: Path, links: Mapping[str, str], scratch: Path) -> None:
    """Make symbolic links, each by one rename: a reader sees the old one or the new."""
    with tempfile.TemporaryDirectory(prefix="links-", dir=scratch) as directory:
        for number, (path, target) in enumerate(links.items()):
            new = Path(directory, str(number))
            new.symlink_to(target)
            (top / checked(path)).parent.mkdir(parents=True, exist_ok=True)
            os.replace(new, top / path)


def put_file(path: Path, data: bytes) -> None:
    """Write a file by one rename, safely on the disk before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with open(new, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.chmod(0o644)
    os.replace(new, path)


def unlink(top: Path, paths: Iterable[str]) -> None:
    """Remove links; those that are gone already are fine."""
    for path in paths:
        with suppress(FileNotFoundError):
            (top / checked(path)).unlink()


def sync(directory: Path) -> None:
    """Bring a file system to its disk: no name must survive a power cut that its file does not survive."""
    libc = ctypes.CDLL(None, use_errno=True)
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if libc.syncfs(file):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(file)


def copy_tree(
    source: Path,
    target: Path,
    entries: Mapping[bytes, ListingEntry],
    there: Mapping[bytes, ListingEntry],
    targets: Mapping[bytes, bytes] = {},
) -> None:
    """Make `target` a copy of `source`, which holds `entries`, where `there` is in place already.

    Only what differs is touched. Hard links are split, as CVMFS does anyway; times of files are kept. Files
    of which `targets` says the destination are copied from there.

    Raises:
        Unavailable: what is there is not what is listed.
    """
    old, new = os.fsencode(source), os.fsencode(target)
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o755)
    gone = [
        path for path, entry in there.items() if path not in entries or _kind(entries[path]) != _kind(entry)
    ]
    for path in sorted(gone, reverse=True):
        full = os.path.join(new, path)
        if os.path.lexists(full):
            remove(Path(os.fsdecode(full)))
    left = {path: entry for path, entry in there.items() if path not in set(gone)}
    for path in sorted(entries):
        if left.get(path) != entries[path]:
            _copy(targets.get(path) or os.path.join(old, path), os.path.join(new, path), entries[path])
            if path in targets:
                _check(os.path.join(new, path), targets[path], entries[path])


def _copy(source: bytes, target: bytes, entry: ListingEntry) -> None:
    if entry.kind == "dir":
        with suppress(FileExistsError):
            os.mkdir(target, 0o700)
        os.chmod(target, entry.mode)
        return
    with suppress(FileNotFoundError):
        os.unlink(target)  # never write through a link, nor into a file that has other names
    if entry.kind == "link":
        os.symlink(entry.link, target)
        return
    shutil.copyfile(source, target)
    os.chmod(target, entry.mode)
    os.utime(target, (entry.time, entry.time))


def _check(copy: bytes, source: bytes, entry: ListingEntry) -> None:
    with open(copy, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise Unavailable(
                f"{os.fsdecode(source)} is not what was published there",
                remedy="make that image anew: cvmfs-deploy add --again IMAGE",
            )


def _kind(entry: ListingEntry) -> bool:
    return entry.kind == "dir"
