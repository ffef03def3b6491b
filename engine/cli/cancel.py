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
    from engine.app.portal.audited_actions import KILL, local_actor, record_request

    engine = session.engine
    id_ = engine.app.resolve(execution)
    wanted = engine.app.cancel(id_, record_request(engine.trail, local_actor(), KILL))
    if not wanted:
        show.say(f"engine: {id_} was over already")
    if wanted and wait:
        try:
            engine.driver.follow(id_, lambda _: None)
        except KeyboardInterrupt:
            foreground.detach(session.config)
            raise
    elif wanted:
        foreground.detach(session.config)  # somebody must do it
    view = engine.app.status(id_)
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
    from engine.app.portal.audited_actions import RESTART, local_actor, record_request

    engine = session.engine
    id_, number = execution_or_job_of(job)
    states = [JobState.FAILED] if failed else [JobState.FAILED, JobState.CANCELLED]
    count = engine.app.retry(id_, states, number, record_request(engine.trail, local_actor(), RESTART))
    if not count:
        show.say(f"engine: nothing to try again in {id_}")
        return
    show.say(f"engine: {count} job(s) are tried again")
    if detach:
        foreground.detach(session.config)
        return
    raise typer.Exit(foreground.run(engine, engine.app.status(id_), json=json))
