"""`engine submit`: from a descriptor and its invocations to results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import foreground, show
from engine.cli.option_decorator import with_options
from engine.cli.request import request
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.app.requests import SubmitRequest


@with_options(request)
def command(
    asked: SubmitRequest,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; a background engine goes on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the jobs; submit nothing.")] = False,
    json: Json = False,
) -> None:
    """Run a tool over invocations, to the end, and say where the results are."""
    engine = session.engine
    planned = engine.app.plan(asked)
    show.warn(planned.warnings)
    if dry_run:
        for job in engine.app.dry_run(planned):
            show.json_line(job)
        return
    view, new = engine.app.submit(planned)
    foreground.go_on(view, "" if new else asked.key, detach=detach, json=json)
