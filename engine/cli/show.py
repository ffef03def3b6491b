"""Printing: JSON for programs, tables for people, words to stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

_ESCAPES = {code: None for code in [*range(32), 127, *range(128, 160)] if chr(code) not in "\n\t"}


def json_line(value: Any) -> None:
    """One JSON value on one line of stdout."""
    print(json.dumps(plain(value), ensure_ascii=False, separators=(", ", ": ")))


def plain(value: Any) -> Any:
    """A value of ours as JSON values."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout; piped, it is plain text without colours or cut cells."""
    if not sys.stdout.isatty():
        for row in ([c.upper() for c in columns], *rows):
            print("\t".join(cell(value) for value in row))
        return
    from rich.console import Console  # 40 ms that a pipe need not pay
    from rich.table import Table

    grid = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(cell(value) for value in row))
    Console().print(grid)


def cell(value: Any) -> str:
    """A value in one cell. Control characters of a tool's text must not reach the terminal."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        value = ", ".join(f"{k}={v}" for k, v in value.items())
    return str(value).translate(_ESCAPES).replace("\n", " ").replace("\t", " ")


def say(*words: str) -> None:
    """A line for people. What it quotes may come from a tool or a file: see `cell`."""
    print(*(word.translate(_ESCAPES) for word in words), file=sys.stderr, flush=True)


class Warnings(logging.Handler):
    """The warnings of the engine's parts as lines for people; the daemon has a log instead."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        say(f"engine: {cell(record.getMessage())}")


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
