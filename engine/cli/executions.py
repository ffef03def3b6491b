"""`engine list`: executions, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.usecases import ExecutionView


def command(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    before: Annotated[str | None, typer.Option(help="Only older ones than this id: the next page.")] = None,
    json: Json = False,
) -> None:
    """Show executions, newest first."""
    found = session.executions.newest(limit=limit, before=before)
    if json:
        for view in found:
            show.json_line(view)
        return
    rows = [(v.id, v.state, f"{v.finished}/{v.jobs}", _named(v), v.owner, v.created) for v in found]
    show.table(["id", "state", "jobs", "tool", "owner", "created"], rows)


def _named(view: ExecutionView) -> str:
    """Name its tool, and what its user called it."""
    return f"{view.name} ({view.title})" if view.title not in ("", view.name) else view.name
