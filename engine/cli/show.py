"""Printing: JSON for programs, tables for people, words to stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.terminal import cell, counted, plain, say, table
from engine.units import size_text as size

__all__ = ["Warnings", "cell", "counted", "json_line", "listing", "plain", "say", "size", "table"]


def json_line(value: Any) -> None:
    """One JSON value on one line of stdout."""
    ascii = sys.stdout.encoding.lower() != "utf-8"  # what cannot be written there is escaped as JSON has it
    print(json.dumps(plain(value), ensure_ascii=ascii, separators=(", ", ": ")))


def listing(
    found: Iterable[Any], columns: Sequence[str], row: Callable[[Any], Sequence[Any]], *, json: bool
) -> None:
    """Print things: a line of JSON each, or a table of their rows."""
    if not json:
        table(columns, map(row, found))
    for one in found if json else ():
        json_line(one)


def warn(lines: Iterable[str]) -> None:
    """Say what is doubtful."""
    for line in lines:
        say(f"engine: warning: {cell(line)}")


class Warnings(logging.Handler):
    """The warnings of the engine's parts as lines for people; the daemon has a log instead."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        say(f"engine: {cell(record.getMessage())}")
