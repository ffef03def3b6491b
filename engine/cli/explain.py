"""`engine explain`: what happened to a job, in words."""

from __future__ import annotations

from engine.cli import show
from engine.cli.logs import JobArgument
from engine.cli.session import Json, job_of, session
from engine.usecases import schema_of


def command(job: JobArgument = None, json: Json = False) -> None:
    """Tell what happened to a job, from the event log."""
    history = session.executions.history(*job_of(job))
    for line in history.events:
        if json:
            show.json_line({**line, "schema": schema_of("event")})
        else:
            which = f"try {line['attempt']}: " if line["attempt"] else ""
            print(f"{line['at']}  {which}{show.cell(line['message'])}")
    for text in () if json else history.summary:
        print(show.cell(text))
