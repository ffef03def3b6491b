"""What is really in a directory tree, as a list that can be compared: see `wrappers.containers.listing`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from wrappers.containers.listing import ListingEntry, read, shown, write

__all__ = ["ListingEntry", "differences", "read", "scan", "write"]

_READERS = 2  # hashing lets go of the interpreter
_CHUNK = 1 << 20


def scan(top: bytes, hashed: bool = True, known: Mapping[bytes, str] | None = None) -> list[ListingEntry]:
    """Everything below a directory, sorted by path; links are not followed.

    `known` holds the sha256 of files, by full path, that need not be read for it.

    Raises:
        OSError: something cannot be read.
    """
    entries = sorted(_walk(top, b""), key=lambda entry: entry.path)
    if not hashed:
        return entries
    sums = {}
    unread = []
    for entry in entries:
        if entry.kind == "file":
            path = os.path.join(top, entry.path)
            if known and path in known:
                sums[entry.path] = known[path]
            else:
                unread.append(entry.path)
    with ThreadPoolExecutor(_READERS) as pool:
        sums.update(zip(unread, pool.map(partial(_sum, top), unread), strict=True))
    return [one._replace(sha256=sums[one.path]) if one.kind == "file" else one for one in entries]


def differences(wanted: Mapping[bytes, ListingEntry], found: Mapping[bytes, ListingEntry]) -> list[str]:
    """List what is not as it should be, a line each; a found entry without a hash is compared by the rest."""
    messages = [f"{shown(path)} is missing" for path in wanted.keys() - found.keys()]
    messages += [f"{shown(path)} does not belong there" for path in found.keys() - wanted.keys()]
    for path in wanted.keys() & found.keys():
        one, other = wanted[path], found[path]
        if not other.sha256:
            one = one._replace(sha256="")
        if one != other:
            messages.append(f"{shown(path)} is not as it was made ({', '.join(_differing(one, other))})")
    return sorted(messages)


def _walk(top: bytes, below: bytes) -> Iterator[ListingEntry]:
    with os.scandir(os.path.join(top, below) if below else top) as found:
        for item in found:
            path = below + b"/" + item.name if below else item.name
            entry = _seen(item, path)
            yield entry
            if entry.kind == "dir":
                yield from _walk(top, path)


def _seen(item: os.DirEntry[bytes], path: bytes) -> ListingEntry:
    about = item.stat(follow_symlinks=False)
    mode = stat.S_IMODE(about.st_mode)
    if stat.S_ISDIR(about.st_mode):
        return ListingEntry(path, "dir", mode)
    if stat.S_ISLNK(about.st_mode):
        return ListingEntry(path, "link", 0o777, link=os.readlink(item.path))
    if stat.S_ISREG(about.st_mode):
        return ListingEntry(path, "file", mode, about.st_size, int(about.st_mtime))
    return ListingEntry(path, "other", mode)


def _sum(top: bytes, path: bytes) -> str:
    digest = hashlib.sha256()
    with open(os.path.join(top, path), "rb", buffering=0) as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _differing(one: ListingEntry, other: ListingEntry) -> list[str]:
    names = ("kind", "mode", "size", "time", "link", "sha256")
    return [name for name in names if getattr(one, name) != getattr(other, name)]
