"""Reading what people hand in: JSON and lines of text, with bounded memory and errors that say where.

JSON here is stricter than Python's: no key twice with different values, no NaN or infinity, no integer beyond
64 bits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from engine.errors import BadRequest, NotFound

MEBIBYTE = 1024 * 1024
MAX_DOCUMENT = 16 * MEBIBYTE
"""Largest JSON document in bytes; the largest public descriptor has 0.3 MB."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
MAX_LINE = MEBIBYTE
"""Longest line of a JSON-lines or line file in bytes."""
_INT64 = range(-(2**63), 2**63)


class _RefusedValue(ValueError):
    """A value that is JSON for Python but not for us."""

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


class BinaryStream(Protocol):
    """A binary stream, as far as it is needed."""

    def readline(self, size: int, /) -> bytes:
        """Read the next line, or at most `size` bytes of it."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes."""


def read_bytes(path: Path, limit: int = MAX_DOCUMENT) -> bytes:
    """Read the content of a file.

    Raises:
        NotFound: there is no such file.
        BadRequest: it cannot be read, or has more than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise NotFound(f"{printable(path)}: no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadRequest(f"{printable(path)}: {reason}") from None
    if len(data) > limit:
        raise BadRequest(f"{printable(path)}: larger than {limit // MEBIBYTE} MiB, the most that is read")
    return data


def read_json(path: Path, limit: int = MAX_DOCUMENT) -> Any:
    """Read the JSON document in a file. Raises NotFound or BadRequest, naming file and line."""
    return parse_json(read_bytes(path, limit), printable(path))


def parse_json(text: str | bytes, where: str, *, line: int | None = None) -> Any:
    """Parse the value of a JSON text.

    Args:
        text: what to read.
        where: the name of its source, for messages.
        line: number of the line that `text` is, when it is one line of many.

    Raises:
        BadRequest: it is not acceptable JSON; the message names source and line.
    """
    decoded = decode(text, where, line=line) if isinstance(text, bytes) else text
    try:
        return _DECODER.decode(decoded)
    except json.JSONDecodeError as error:
        raise BadRequest(f"{where} line {line or error.lineno}: not JSON: {_plain(error)}") from None
    except _RefusedValue as refused:
        found = line or _line_of(decoded, refused)
        raise BadRequest(f"{where}{f' line {found}' if found else ''}: {refused}") from None
    except RecursionError:
        raise BadRequest(f"{where}{f' line {line}' if line else ''}: nested too deeply") from None


def decode(data: bytes, where: str, *, line: int | None = None) -> str:
    """UTF-8 text of `data`, without a byte order mark. Raises BadRequest naming source and line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(_UTF16):
            raise BadRequest(f"{where}: the text is UTF-16", remedy="save it as UTF-8") from None
        found = line or data.count(b"\n", 0, error.start) + 1
        raise BadRequest(f"{where} line {found}: not UTF-8 (byte 0x{data[error.start]:02x})") from None


def lines(stream: BinaryStream, where: str, limit: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of a stream, blank ones left out, one at a time in memory.

    Raises:
        BadRequest: a line is longer than `limit`.
    """
    number = 0
    while chunk := stream.readline(limit + 1):
        number += 1
        if len(chunk) > limit:
            raise BadRequest(f"{where} line {number}: longer than {limit} bytes")
        if chunk := chunk.strip():
            yield number, chunk


def printable(path: object) -> str:
    """Render a file name that can be shown, whatever bytes it is made of."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return "the text ends too early"
    return f"{error.msg[0].lower()}{error.msg[1:]} (column {error.colno})"


def _line_of(text: str, refused: _RefusedValue) -> int | None:
    """Find the line of a refused value, when there is no doubt which occurrence is meant."""
    if refused.key is None:
        return None
    found = [match.start() for match in re.finditer(re.escape(refused.key), text)]
    if len(found) == 1 or (refused.key.endswith('"') and len(found) == 2):
        return text.count("\n", 0, found[-1]) + 1
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; a key that stands in it several times must have the same value each time."""
    value = dict(pairs)
    if len(value) < len(pairs):
        for name, other in pairs:
            if not _same(value[name], other):
                raise _RefusedValue(
                    f'the key "{name}" appears twice in one object, with different values', json.dumps(name)
                )
    return value


def _same(one: Any, other: Any) -> bool:
    """Say whether two values are written alike, but for spaces and the order of keys: 1, 1.0 and true
    differ.
    """
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _integer(text: str) -> int:
    if len(text) > 18 and (len(text) > 20 or int(text) not in _INT64):
        shown = text if len(text) <= 30 else f"{text[:20]}... ({len(text)} digits)"
        raise _RefusedValue(f"the integer {shown} does not fit in 64 bits", text)
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _RefusedValue(f"the number {text} is too large", text)
    return value


def _constant(text: str) -> float:
    raise _RefusedValue(f"{text} is not a JSON number", text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
