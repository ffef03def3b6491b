"""`engine cancel` and `engine retry`: wishes about an execution that exists."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import foreground, show
from engine.cli.session import ExecutionArgument, Json, execution_or_job_of, session
from engine.domain.job import JobState


def command(
    execution: ExecutionArgument = None,
    wait: Annotated[bool, typer.Option(help="Wait for its end.")] = True,
    json: Json = False,
) -> None:
    """End an execution. What has succeeded keeps its results."""
    ours = session.executions
    id_ = ours.resolve(execution)
    wanted = ours.cancel(id_)
    if not wanted:
        show.say(f"engine: {id_} was over already")
    if wanted and wait:
        try:
            ours.follow(id_, lambda _: None)
        except KeyboardInterrupt:
            ours.leave()
            raise
    elif wanted:
        ours.leave()  # somebody must do it
    view = ours.status(id_)
    if json:
        show.json_line(view)
    else:
        show.say(f"engine: {id_} is {view.state}")


def retry(
    job: Annotated[
        str | None, typer.Argument(help="EXECUTION or EXECUTION:NUMBER; the newest if left out.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only failed jobs, not cancelled ones.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    json: Json = False,
) -> None:
    """Try again what did not succeed. Successful jobs are left as they are."""
    ours = session.executions
    id_, number = execution_or_job_of(job)
    states = [JobState.FAILED] if failed else [JobState.FAILED, JobState.CANCELLED]
    count = ours.retry(id_, states, number)
    if not count:
        show.say(f"engine: nothing to try again in {id_}")
        return
    show.say(f"engine: {count} job(s) are tried again")
    if detach:
        ours.leave()
        return
    raise typer.Exit(foreground.run(ours.status(id_), json=json))
