"""`engine pause` and `engine resume`: hold back what has not started, of an execution or at a back-end."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import ExecutionArgument, session
from engine.errors import BadRequest

BackendOption = Annotated[
    str, typer.Option(help="A back-end, for the executions of everybody, in place of one execution.")
]


def pause(execution: ExecutionArgument = None, backend: BackendOption = "") -> None:
    """Start no further job. What the back-end has accepted goes on, and its results come home."""
    if backend:
        _set_paused(execution, backend, True)
        return
    ours = session.executions
    id_ = ours.resolve(execution)
    if not ours.pause(id_):
        show.say(f"engine: {id_} was over already")
        return
    show.say(f"engine: {id_} starts no further job; engine resume {id_} lets it go on")


def resume(execution: ExecutionArgument = None, backend: BackendOption = "") -> None:
    """Let what was paused go on, in the background."""
    if backend:
        _set_paused(execution, backend, False)
        session.executions.leave()
        return
    ours = session.executions
    id_ = ours.resolve(execution)
    if not ours.resume(id_):
        show.say(f"engine: {id_} was over already")
        return
    ours.leave()
    view = ours.status(id_)
    show.say(f"engine: {view.held}" if view.held else f"engine: {id_} goes on; engine status --watch {id_}")


def _set_paused(execution: str | None, backend: str, paused: bool) -> None:
    from engine.cli.administration import administration

    if execution:
        raise BadRequest(f"{execution} and --backend {backend}: give one of both")
    if administration().set_paused(backend, paused):
        resumed = f"engine resume --backend {backend}"
        done = f"takes no further job; {resumed} ends that" if paused else "takes jobs again"
    else:
        done = "was paused already" if paused else "was not paused"
    show.say(f"engine: back-end {backend} {done}")
