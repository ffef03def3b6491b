"""CSV and TSV: a header of input ids, one job a row, an empty cell for no value."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.planning.cells import value_from_text
from engine.planning.documents import MAX_LINE, decode

NO_VALUE = "n/a"
"""In a .tsv: BIDS's word for no value."""

_LINES = "save it with lines that end with LF or CR LF"
_separator = re.compile(r'"?sep=([,;\t|])"?\r?\n?').fullmatch


class TableRow(NamedTuple):
    """A row of a table."""

    line: int
    values: dict[str, Any]
    problem: str = ""


def read_table(stream: BinaryIO, where: str, tool: Tool, *, tabs: bool) -> Iterator[TableRow]:
    """Yield the rows of a table, one at a time.

    Raises:
        BadRequest: the header is not made of input ids, or the text is no table.
    """
    rows = _cells(stream, where, tabs=tabs)
    names = _names(next(rows, (1, []))[1])
    inputs = {one.id: one for one in tool.inputs}
    for name in names:
        if name not in inputs:
            raise BadRequest(f"{where} line 1: the column {name!r} is not an input of {tool.name}")
        if names.count(name) > 1:
            raise BadRequest(f"{where} line 1: the column {name} appears twice")
    if not names:
        raise BadRequest(f"{where}: the table is empty")
    line = 0
    for line, cells in rows:
        if len(cells) > len(names) and not any(cells[len(names) :]):
            cells = cells[: len(names)]  # empty columns, as spreadsheets write them
        if len(cells) != len(names):
            yield TableRow(line, {}, f"the header has {len(names)} cells, this row {len(cells)}")
            continue
        try:
            values = {
                name: value_from_text(inputs[name], cell)
                for name, cell in zip(names, cells, strict=True)
                if cell and not (tabs and cell == NO_VALUE and NO_VALUE not in inputs[name].choices)
            }
        except BadRequest as error:
            yield TableRow(line, {}, str(error))
        else:
            yield TableRow(line, values)
    if not line:
        raise BadRequest(f"{where}: the table has a header and no rows")


def read_column(stream: BinaryIO, where: str, column: str, *, tabs: bool) -> list[str]:
    """Read the non-empty cells of one column, as text. Raises BadRequest when there is no such column."""
    rows = _cells(stream, where, tabs=tabs)
    names = _names(next(rows, (1, []))[1])
    if column not in names:
        raise BadRequest(f"{where} line 1: there is no column {column!r}, only {', '.join(names)}")
    position = names.index(column)
    values = [cells[position] for _, cells in rows if len(cells) > position and cells[position]]
    return [value for value in values if not (tabs and value == NO_VALUE)]


def _cells(stream: BinaryIO, where: str, *, tabs: bool) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells of the rows that have any."""
    delimiter = "\t" if tabs else ","
    texts = _texts(stream, where)
    first = next(texts, "")
    skipped = 0
    if not tabs and (separator := _separator(first)):
        delimiter, skipped = separator.group(1), 1  # Excel's own line, which is no part of the table
        first = next(texts, "")
    elif not tabs and "," not in first and ";" in first:
        delimiter = ";"  # what spreadsheets write where the comma is the decimal sign
    reader = csv.reader(_chain(first, texts), delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = reader.line_num + skipped
            if "\r" in first.rstrip("\r\n"):
                raise BadRequest(f"{where}: its lines end with CR alone", remedy=_LINES) from None
            raise BadRequest(f"{where} line {line}: not a table: {error}") from None
        if any(cells):
            yield reader.line_num + skipped, cells


def _names(header: list[str]) -> list[str]:
    """Read the ids in a header, without the empty columns that spreadsheets write at its end."""
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    return names


def _texts(stream: BinaryIO, where: str) -> Iterator[str]:
    number = 0
    while chunk := stream.readline(MAX_LINE + 1):
        number += 1
        if len(chunk) > MAX_LINE:
            raise BadRequest(f"{where} line {number}: longer than {MAX_LINE} bytes")
        yield decode(chunk, where, line=number)


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
