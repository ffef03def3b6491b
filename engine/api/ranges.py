"""Which part of a file is asked for, and whether the client has it already (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

_DIGITS = 18
_ONE = re.compile(r"bytes=\s*+(\d*+)\s*+-\s*+(\d*+)\s*+", re.I | re.A)
"""Possessive: 60 kB of spaces, tried at each length, would take half a minute."""


@dataclass(frozen=True, slots=True)
class RangeReply:
    """The part of a file that is sent."""

    status: int
    """200 whole, 206 a part, 304 the client has it, 412 it is another file, 416 there is no such part."""
    start: int
    stop: int

    @property
    def has_content(self) -> bool:
        """Whether bytes of the file are sent."""
        return self.status in (200, 206)

    def headers(self, size: int, tag: str) -> dict[str, str]:
        """Return what an answer says of the file and of this piece."""
        found = {"Accept-Ranges": "bytes", **({"ETag": tag} if tag else {})}
        if self.status in (206, 416):
            which = f"{self.start}-{self.stop - 1}" if self.has_content else "*"
            found["Content-Range"] = f"bytes {which}/{size}"
        if self.has_content:
            found["Content-Length"] = str(self.stop - self.start)
        return found


def etag(found: os.stat_result) -> str:
    """Name this very content."""
    return f'"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"'


def choose(headers: Mapping[str, str], size: int, tag: str) -> RangeReply:
    """Choose what to send. Several ranges at a time are answered with the whole file, as one is free to."""
    if (match := headers.get("if-match")) and not _named(match, tag):
        return RangeReply(412, 0, 0)
    if (known := headers.get("if-none-match")) and _named(known, tag):
        return RangeReply(304, 0, 0)
    wanted = headers.get("range", "")
    if headers.get("if-range", tag) != tag:
        wanted = ""
    found = _ONE.fullmatch(wanted)
    if not found or not (found[1] or found[2]):
        return RangeReply(200, 0, size)
    if found[1]:
        start = _number(found[1])
        stop = min(_number(found[2]) + 1, size) if found[2] else size
        if found[2] and _number(found[2]) < start:
            return RangeReply(200, 0, size)  # it says nothing, and is ignored
    else:
        start, stop = max(size - _number(found[2]), 0), size
    return RangeReply(206, start, stop) if start < stop else RangeReply(416, 0, 0)


def _number(digits: str) -> int:
    """Parse a position: one beyond every file is as good as another, and Python reads no numbers of any
    length.
    """
    return int(digits) if len(digits) < _DIGITS else 10**_DIGITS


def _named(header: str, tag: str) -> bool:
    names = [name.strip().removeprefix("W/") for name in header.split(",")]
    return "*" in names or tag in names
