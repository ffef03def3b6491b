"""Lists of the files of a directory tree in the form of mtree(5), as they are written and read.

One line a file: `./ROOT/bin/sh type=link mode=0777 link=busybox`. Owners are left out (a reader has its own),
and so are the times of directories, which nothing preserves.
"""

import gzip
import re
import zlib
from pathlib import Path
from typing import Dict, Iterable, NamedTuple

TREE = "tree.mtree.gz"
"""The list of a container directory that was published, beside its ROOT."""
_PLAIN = re.compile(rb"[^A-Za-z0-9._/@+,:%~-]")
_ESCAPED = re.compile(rb"\\([0-7]{3})")


class ListingEntry(NamedTuple):
    """A file, directory or symbolic link."""

    path: bytes  # relative to the top, without a leading `./`
    kind: str  # dir, file, link; `other` for what is none of them
    mode: int
    size: int = 0
    time: int = 0
    link: bytes = b""
    sha256: str = ""


def read_tree(container: Path) -> Dict[bytes, ListingEntry]:
    """Read the list of a container directory.

    Raises:
        OSError, EOFError, ValueError: it is not there, or damaged.
    """
    data = (container / TREE).read_bytes()
    try:
        return read(gzip.decompress(data))
    except (OSError, zlib.error) as error:
        raise ValueError(f"it is damaged: {error}") from None


def write(entries: Iterable[ListingEntry]) -> bytes:
    """Render the list as text."""
    return b"#mtree\n" + b"".join(map(_line, entries))


def read(text: bytes) -> Dict[bytes, ListingEntry]:
    """Parse a list by path.

    Raises:
        ValueError: it is no such list.
    """
    lines = text.splitlines()
    if lines[:1] != [b"#mtree"]:
        raise ValueError("it is no list in the form of mtree")
    entries = map(_entry, lines[1:])
    return {entry.path: entry for entry in entries}


def shown(path: bytes) -> str:
    """Render a path as the list has it: printable, whatever its name is."""
    return _escape(path).decode("ascii")


def _line(entry: ListingEntry) -> bytes:
    words = f" type={entry.kind} mode={entry.mode:04o}"
    if entry.kind == "file":
        words += f" size={entry.size} time={entry.time}.0"
        words += f" sha256digest={entry.sha256}" if entry.sha256 else ""
    link = b" link=" + _escape(entry.link) if entry.kind == "link" else b""
    return b"./" + _escape(entry.path) + words.encode() + link + b"\n"


def _entry(line: bytes) -> ListingEntry:
    path, *words = line.split(b" ")
    values = dict(field.partition(b"=")[::2] for field in words)
    try:
        location = _unescape(path)
        return ListingEntry(
            path=location[2:] if location.startswith(b"./") else location,
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
    return _PLAIN.sub(lambda found: b"\\%03o" % ord(found.group()), text)


def _unescape(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes([int(found.group(1), 8) & 0xFF]), text)
