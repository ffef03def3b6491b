"""Printing: JSON for programs, tables for people, words to stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.terminal import cell, counted, plain, say, table
from engine.units import size_text as size

if TYPE_CHECKING:
    from engine.usecases import ExecutionView

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


def location(url: str) -> str:
    """Write where results are as it is typed."""
    from engine.domain.file_urls import to_path

    return str(to_path(url)) if url.startswith("file:") else url


def short(path: str) -> str:
    """Write a path as it is typed here, where it is below."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def dataset(view: ExecutionView) -> Sequence[str]:
    """Say where the data set is that results became, or why there is none; nothing where none is wanted."""
    if view.dataset_problem:
        return [f"the results are no data set: {cell(view.dataset_problem)}"]
    return [f"data set in {short(location(view.dataset))}"] if view.dataset else []


class Warnings(logging.Handler):
    """The warnings of the engine's parts as lines for people; the daemon has a log instead."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        say(f"engine: {cell(record.getMessage())}")
