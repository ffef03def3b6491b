"""`engine logs`: what the tool of a job printed, while it runs or afterwards."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import job_of, session

if TYPE_CHECKING:
    from engine.app.application import Application
    from engine.ids import ExecutionId

JobArgument = Annotated[
    str | None, typer.Argument(help="EXECUTION:NUMBER; the number may be left out when there is one job.")
]


def command(
    job: JobArgument = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="Its standard error instead.")] = False,
    attempt: Annotated[
        int | None, typer.Option("--try", min=1, help="Which try; the last by default.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
) -> None:
    """Print what the tool of a job wrote to its standard output."""
    id_, number = job_of(job)
    app = session.engine.app
    stream = "err" if stderr else "out"
    offset = 0
    while True:
        over = app.job(id_, number).state.is_final
        offset += _print_from(app, id_, number, attempt, stream, offset)
        if over or not follow:
            return
        time.sleep(0.3)


def _print_from(
    app: Application, id_: ExecutionId, number: int, ordinal: int | None, stream: str, offset: int
) -> int:
    from engine.errors import NotFound

    job = app.job(id_, number)
    tries = app.tries(job)
    if ordinal is not None and ordinal > len(tries):
        raise NotFound(f"job {number} has {len(tries)} tries")
    if not tries:
        show.say("engine: it has not started yet")
        return 0
    data = app.log(id_, job, tries[(ordinal or len(tries)) - 1], stream, offset)
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    return len(data)
