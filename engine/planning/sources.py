"""What is in the files that people name: one invocation or many, told apart by content."""

from __future__ import annotations

import io
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from engine.domain.tool import Tool
from engine.errors import BadRequest, NotFound
from engine.planning.documents import MAX_LINE, MEBIBYTE, BinaryStream, decode, lines, parse_json, printable
from engine.planning.tables import read_table

MAX_ARRAY = 64 * MEBIBYTE
"""Largest JSON array of invocations in bytes; JSON lines and tables have no limit."""


class SourcedInvocation(NamedTuple):
    """An invocation with its source."""

    invocation: dict[str, Any]
    where: str
    one_of_many: bool
    """Whether it comes from a list, a table or several files, so that its values are what varies."""
    problem: str = ""
    """Why it cannot be read; the others can."""


Source = str | Path | Mapping[str, Any]
"""A file, a directory, `-`, or an invocation itself."""


def read_sources(
    sources: Sequence[Source], tool: Tool, stdin: BinaryIO | None = None
) -> Iterator[SourcedInvocation]:
    """Yield the invocations in all sources, in order, one at a time in memory.

    Raises:
        BadRequest: a source is neither JSON, JSON lines, a table nor a directory of JSON files.
    """
    many = len(sources) > 1
    for source in sources:
        if isinstance(source, Mapping):
            yield SourcedInvocation(dict(source), "invocation", many)
        elif str(source) == "-":
            stream = stdin if stdin is not None else sys.stdin.buffer
            yield from _read_stream(stream, "standard input", tool, many, suffix="")
        elif Path(source).is_dir():
            for path in _json_files(Path(source)):
                yield from _read_file(path, tool, many=True)
        else:
            yield from _read_file(Path(source), tool, many)


def _json_files(directory: Path) -> list[Path]:
    found = sorted(path for path in directory.iterdir() if path.suffix == ".json" and path.is_file())
    if not found:
        raise BadRequest(f"{printable(directory)}: no *.json file in this directory")
    return found


def _read_file(path: Path, tool: Tool, many: bool) -> Iterator[SourcedInvocation]:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise NotFound(f"{printable(path)}: no such file") from None
    except (OSError, ValueError) as error:
        raise BadRequest(f"{printable(path)}: {getattr(error, 'strerror', None) or error}") from None
    with stream:
        yield from _read_stream(stream, printable(path), tool, many, suffix=path.suffix.lower())


def _read_stream(
    stream: BinaryIO, where: str, tool: Tool, many: bool, *, suffix: str
) -> Iterator[SourcedInvocation]:
    if suffix in (".csv", ".tsv"):
        for row in read_table(stream, where, tool, tabs=suffix == ".tsv"):
            yield SourcedInvocation(row.values, f"{where} line {row.line}", True, row.problem)
        return
    first = _first_line(stream, where)
    rest = _Rejoined(first, stream)
    if suffix in (".jsonl", ".ndjson") or _is_object(first):
        yield from _json_lines(rest, where, many=many or suffix in (".jsonl", ".ndjson"))
    elif first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        yield from _json_document(rest, where, many)
    elif not decode(first, where).strip():
        raise BadRequest(f"{where}: empty")
    else:
        raise BadRequest(
            f"{where}: neither JSON, JSON lines nor a table",
            remedy="an invocation starts with {, a list of them with [; tables are called .csv or .tsv",
        )


def _json_lines(stream: BinaryStream, where: str, *, many: bool) -> Iterator[SourcedInvocation]:
    """One invocation a line. A single line without a name that says so is a plain invocation."""
    numbered = lines(stream, where)
    if not many:  # look ahead only then: lines that come from a pipe are answered one by one
        ahead = list(itertools.islice(numbered, 2))
        many = len(ahead) > 1
        numbered = itertools.chain(ahead, numbered)
    for number, text in numbered:
        location = f"{where} line {number}" if many else where
        try:
            value = parse_json(text, where, line=number)
        except BadRequest as error:
            yield SourcedInvocation(
                {}, location, True, error.message.removeprefix(f"{where} line {number}: ")
            )
            continue
        yield _item(value, location, many)


def _json_document(stream: BinaryStream, where: str, many: bool) -> Iterator[SourcedInvocation]:
    data = stream.read(MAX_ARRAY + 1)
    if len(data) > MAX_ARRAY:
        raise BadRequest(
            f"{where}: larger than {MAX_ARRAY // MEBIBYTE} MiB",
            remedy="write many invocations as JSON lines (.jsonl), one object a line",
        )
    value = parse_json(data, where)
    if not isinstance(value, list):
        yield _item(value, where, many)
        return
    if not value:
        raise BadRequest(f"{where}: the list of invocations is empty")
    for number, entry in enumerate(value, 1):
        yield _item(entry, f"{where} entry {number}", True)


def _item(value: Any, where: str, many: bool) -> SourcedInvocation:
    if not isinstance(value, dict):
        return SourcedInvocation({}, where, many, "an invocation is a JSON object of input values")
    return SourcedInvocation(value, where, many)


def _first_line(stream: BinaryIO, where: str) -> bytes:
    """Everything up to the end of the first line that is not blank."""
    text = b""
    while not text.strip():
        chunk = stream.readline(MAX_LINE + 1)
        text += chunk
        if not chunk or len(text) > MAX_LINE:
            break
    return text


def _is_object(line: bytes) -> bool:
    """Say whether a line is a whole JSON object."""
    if line.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return False
    try:
        return isinstance(parse_json(decode(line, ""), ""), dict)
    except BadRequest:
        return False


class _Rejoined:
    """A stream with the part that was read ahead put back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = io.BytesIO(head)
        self._rest = rest

    def readline(self, size: int | None = -1, /) -> bytes:
        limit = -1 if size is None else size
        line = self._head.readline(limit)
        if line.endswith(b"\n") or (0 <= limit <= len(line)):
            return line
        return line + self._rest.readline(limit if limit < 0 else limit - len(line))

    def read(self, size: int = -1, /) -> bytes:
        head = self._head.read(size)
        return head + self._rest.read(size if size < 0 else size - len(head))
