"""Directory trees as lists in the form of mtree(5), which BSD's `mtree` and `bsdtar` read too.

One line a file: `./ROOT/bin/sh type=link mode=0777 link=busybox`. Owners are left out (a reader has its own),
and so are the times of directories, which nothing preserves.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

_READERS = 2  # hashing lets go of the interpreter
_CHUNK = 1 << 20
_PLAIN = re.compile(rb"[^A-Za-z0-9._/@+,:%~-]")
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, directory or symbolic link."""

    path: bytes
    """Relative to the top, without a leading `./`."""
    kind: str
    """dir, file, link; `other` for what is none of them."""
    mode: int
    size: int = 0
    time: int = 0
    link: bytes = b""
    sha256: str = ""


def scan(top: bytes, hashed: bool = True, known: Mapping[bytes, str] | None = None) -> list[Entry]:
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
    return [replace(one, sha256=sums[one.path]) if one.kind == "file" else one for one in entries]


def write(entries: Iterable[Entry]) -> bytes:
    """The list as text."""
    return b"#mtree\n" + b"".join(map(_line, entries))


def read(text: bytes) -> dict[bytes, Entry]:
    """A list by path.

    Raises:
        ValueError: it is no such list.
    """
    lines = text.splitlines()
    if lines[:1] != [b"#mtree"]:
        raise ValueError("it is no list in the form of mtree")
    entries = map(_entry, lines[1:])
    return {entry.path: entry for entry in entries}


def differences(wanted: Mapping[bytes, Entry], found: Mapping[bytes, Entry]) -> list[str]:
    """What is not as it should be, a line each; a found entry without a hash is compared by the rest."""
    told = [f"{_shown(path)} is missing" for path in wanted.keys() - found.keys()]
    told += [f"{_shown(path)} does not belong there" for path in found.keys() - wanted.keys()]
    for path in wanted.keys() & found.keys():
        one, other = wanted[path], found[path]
        if not other.sha256:
            one = replace(one, sha256="")
        if one != other:
            told.append(f"{_shown(path)} is not as it was made ({', '.join(_differing(one, other))})")
    return sorted(told)


def _walk(top: bytes, below: bytes) -> Iterator[Entry]:
    with os.scandir(os.path.join(top, below) if below else top) as found:
        for item in found:
            path = below + b"/" + item.name if below else item.name
            entry = _seen(item, path)
            yield entry
            if entry.kind == "dir":
                yield from _walk(top, path)


def _seen(item: os.DirEntry[bytes], path: bytes) -> Entry:
    about = item.stat(follow_symlinks=False)
    mode = stat.S_IMODE(about.st_mode)
    if stat.S_ISDIR(about.st_mode):
        return Entry(path, "dir", mode)
    if stat.S_ISLNK(about.st_mode):
        return Entry(path, "link", 0o777, link=os.readlink(item.path))
    if stat.S_ISREG(about.st_mode):
        return Entry(path, "file", mode, about.st_size, int(about.st_mtime))
    return Entry(path, "other", mode)


def _sum(top: bytes, path: bytes) -> str:
    digest = hashlib.sha256()
    with open(os.path.join(top, path), "rb", buffering=0) as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _line(entry: Entry) -> bytes:
    words = f" type={entry.kind} mode={entry.mode:04o}"
    if entry.kind == "file":
        words += f" size={entry.size} time={entry.time}.0"
        words += f" sha256digest={entry.sha256}" if entry.sha256 else ""
    link = b" link=" + _escape(entry.link) if entry.kind == "link" else b""
    return b"./" + _escape(entry.path) + words.encode() + link + b"\n"


def _entry(line: bytes) -> Entry:
    path, *words = line.split(b" ")
    values = dict(word.partition(b"=")[::2] for word in words)
    try:
        return Entry(
            path=_unescape(path).removeprefix(b"./"),
            kind=values[b"type"].decode(),
            mode=int(values[b"mode"], 8),
            size=int(values.get(b"size", 0)),
            time=int(values.get(b"time", b"0").partition(b".")[0]),
            link=_unescape(values.get(b"link", b"")),
            sha256=values.get(b"sha256digest", b"").decode(),
        )
    except (KeyError, ValueError):
        raise ValueError(f"it has a line that cannot be read: {line[:80]!r}") from None


def _escape(text: bytes) -> bytes:
    return _PLAIN.sub(lambda found: b"\\%03o" % found[0][0], text)


def _unescape(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), text)


def _differing(one: Entry, other: Entry) -> list[str]:
    names = ("kind", "mode", "size", "time", "link", "sha256")
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def _shown(path: bytes) -> str:
    return _escape(path).decode("ascii")
