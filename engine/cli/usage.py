"""`engine usage`: what the work of users has taken."""

from __future__ import annotations

import csv as csv_files
import sys
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.administration import administration
from engine.cli.session import Json
from engine.domain.usage import DIMENSIONS, UsageTotals
from engine.errors import BadRequest

_SUMS = list(UsageTotals.__slots__)


def command(
    by: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(DIMENSIONS)}; may be given several times.")
    ] = None,
    since: Annotated[str, typer.Option(metavar="YYYY-MM", help="From this month on.")] = "",
    until: Annotated[str, typer.Option(metavar="YYYY-MM", help="To this month, included.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="As a table for other programs.")] = False,
    json: Json = False,
) -> None:
    """Show jobs, core hours, GPU hours, bytes and failures, summed by what is asked; purged ones too."""
    if csv and json:
        raise BadRequest("--csv and --json are two forms of one answer", remedy="give one of them")
    wanted = list(dict.fromkeys(by or ["user"]))
    found = administration().usage(wanted, since, until)
    columns = [*wanted, *_SUMS]
    rows = [[one[column] for column in columns] for one in found]
    if json:
        for one in found:
            show.json_line(one)
    elif csv:
        writer = csv_files.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *([_cell(value) for value in row] for row in rows)])
    else:
        show.table([column.replace("_", " ") for column in columns], rows)


def _cell(value: object) -> object:
    """Keep spreadsheets from taking a name for a formula."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
