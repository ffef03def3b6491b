"""`engine results`: the committed results of an execution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import ExecutionArgument, Json, session

if TYPE_CHECKING:
    from engine.usecases import CheckedView


def command(
    execution: ExecutionArgument = None,
    download: Annotated[Path | None, typer.Option(help="Copy them into this directory.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="See that each is still there; mend what has a copy.")
    ] = False,
    deep: Annotated[bool, typer.Option("--deep", help="With --check: compare checksums too.")] = False,
    json: Json = False,
) -> None:
    """Show the results of an execution, bring them home, or see that they are still there."""
    ours = session.executions
    id_ = ours.resolve(execution)
    if check or deep:
        raise typer.Exit(_check(ours.check(id_, deep=deep), json=json))
    rows = []
    for product in ours.products(id_) if download is None else ours.download(id_, download):
        if json:
            show.json_line(product)
        else:
            rows.append((product.job, product.output, product.name, show.size(product.size), product.sha256))
    if not json:
        show.table(["job", "output", "name", "size", "sha256"], rows)
    if download is not None and not json:
        results = show.counted(len(rows), "result is", "results are")
        show.say(f"engine: {results} in {download}" if rows else "engine: there is none")
    if download is None and not json:
        for line in show.dataset(ours.status(id_)):
            show.say(f"engine: {line}")


def _check(found: Iterator[CheckedView], *, json: bool) -> int:
    """Tell how each result was found; the exit code."""
    from engine.usecases import ResultHealth

    rows, worst = [], 0
    for one in found:
        worst = max(worst, {ResultHealth.LOST: 1, ResultHealth.UNKNOWN: 3}.get(ResultHealth(one.health), 0))
        if json:
            show.json_line(one)
        else:
            rows.append((one.job, one.name, one.health, one.url))
    if not json:
        show.table(["job", "name", "found", "where"], rows)
    return worst
