"""`engine status`: how an execution stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import ExecutionArgument, Json, session

if TYPE_CHECKING:
    from engine.usecases import ExecutionView

_INTENTS = {"wait": " (waits for its turn)", "pause": " (paused)", "cancel": " (cancel was asked for)"}
"""What is added to the state."""


def command(
    execution: ExecutionArgument = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until it is over.")] = False,
    json: Json = False,
) -> None:
    """Show how an execution stands."""
    ours = session.executions
    id_ = ours.resolve(execution)
    shown = None
    while True:
        view = ours.status(id_)
        if view != shown:
            _print(view, json=json)
            shown = view
        if not watch or view.over:
            return
        time.sleep(ours.interval_s)


def _print(view: ExecutionView, *, json: bool) -> None:
    if json:
        show.json_line(view)
        return
    rows = [
        ("execution", view.id),
        ("tool", view.name),
        *([("title", view.title)] if view.title else []),
        ("state", view.state + _INTENTS.get(view.intent, "")),
        ("jobs", f"{view.finished} of {view.jobs} finished: {show.cell(view.tally)}"),
        *[("incomplete", line) for line in view.incomplete],
        *([("held", view.held)] if view.held else []),
        *([("trouble", view.trouble)] if view.trouble else []),
        ("created", view.created),
        ("ended", view.ended),
        ("image", view.image),
        ("back-end", view.backend),
        ("results", ", ".join(view.stores) or show.location(view.results)),
        *([("data set", show.location(view.dataset))] if view.dataset else []),
        *([("no data set", view.dataset_problem)] if view.dataset_problem else []),
    ]
    show.table(["what", "value"], rows)
