"""`engine logs`: what the tool of a job printed, while it runs or afterwards."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, job_of, session
from engine.usecases import schema_of

JobArgument = Annotated[
    str | None, typer.Argument(help="EXECUTION:NUMBER; the number may be left out when there is one job.")
]


def command(
    job: JobArgument = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="Its standard error instead.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="The traceback of a defect of ours instead, for a report of it.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option("--try", min=1, help="Which try; the last by default.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
    json: Json = False,
) -> None:
    """Print what the tool of a job wrote to its standard output."""
    from engine.errors import NotFound

    id_, number = job_of(job)
    ours = session.executions
    stream = "debug" if debug else "err" if stderr else "out"
    shown, offset = 0, 0
    while True:
        current = ours.job(id_, number)
        over = current.over
        if attempt is not None and attempt > current.attempts and (over or not follow):
            raise NotFound(f"job {number} has had {current.attempts} tries")
        which = attempt or current.attempts
        if which != shown:  # a new try writes a log of its own
            shown, offset = which, 0
        while 0 < which <= current.attempts and (data := ours.log(id_, number, stream, which, offset)):
            _print(data, offset, json=json)
            offset += len(data)
        if over or not follow:
            return
        time.sleep(ours.interval_s)


def _print(data: bytes, offset: int, *, json: bool) -> None:
    if json:
        text = data.decode(errors="replace")
        show.json_line({"offset": offset, "text": text, "schema": schema_of("log")})
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
