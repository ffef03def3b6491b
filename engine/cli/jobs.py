"""`engine jobs`: the jobs of an execution as a table, with the parameters of each."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import ExecutionArgument, Json, session
from engine.domain.shown_states import ShownJobState


def command(
    execution: ExecutionArgument = None,
    state: Annotated[
        list[ShownJobState] | None, typer.Option(help="Only jobs in this state; repeatable.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the jobs of an execution."""
    ours = session.executions
    found = ours.jobs(ours.resolve(execution), state or [])
    if json:
        for job in found:
            show.json_line(job)
        return
    show.table(
        ["job", "state", "tries", "exit", "why", "parameters"],
        (
            (j.number, j.state, j.attempts, j.exit_code, f"{j.failure} {j.message}".strip(), j.parameters)
            for j in found
        ),
    )
