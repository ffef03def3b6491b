"""Printing: JSON for programs, tables for people, words to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from pydantic import BaseModel

from cvmfs_deploy.cli.session import session

_ESCAPES = {code: None for code in [*range(32), 127, *range(128, 160)] if chr(code) not in "\n\t"}


def json_document(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=1, default=_plain))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on stdout; piped, it is plain text with tabs."""
    if not sys.stdout.isatty():
        for row in ([column.upper() for column in columns], *rows):
            print("\t".join(_cell(value) for value in row))
        return
    from rich.console import Console  # 40 ms that a pipe need not pay
    from rich.table import Table

    grid = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        grid.add_column(column, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(value) for value in row))
    Console().print(grid)


def say(*words: str) -> None:
    """A line for people; what it quotes may come from an image or a registry."""
    print(*(word.translate(_ESCAPES) for word in words), file=sys.stderr, flush=True)


def note(*words: str) -> None:
    """A line for people on what went well; `--quiet` leaves it out, so that cron sends no mail."""
    if not session.quiet:
        say(*words)


def short(digest: str) -> str:
    """A digest as people tell one from another."""
    return digest.removeprefix("sha256:")[:12]


def _cell(value: Any) -> str:
    text = "-" if value is None or value == "" else str(value)
    return text.translate(_ESCAPES).replace("\n", " ").replace("\t", " ")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
