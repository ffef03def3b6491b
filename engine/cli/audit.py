"""`engine audit`: who did what through the portal, and whether the trail is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import session

app = typer.Typer(help="Show and verify the audit trail of the portal.", no_args_is_help=True)


@app.command()
def verify(
    heads: Annotated[
        list[Path] | None, typer.Option("--head", help="An exported head that the trail must contain.")
    ] = None,
) -> None:
    """Find any line that was altered, removed or reordered. Exit code 1 when there is one."""
    from engine.app.portal.audit import read_head
    from engine.errors import BadRequest

    anchors = []
    for path in heads or ():
        try:
            anchors.append(read_head(path.read_text()))
        except (ValueError, KeyError, TypeError):
            raise BadRequest(f"{path}: not a head of an audit trail") from None
    problems = 0
    for problem in session.engine.trail.problems(anchors):
        show.say(f"engine: {problem}")
        problems += 1
    if problems:
        raise typer.Exit(1)
    show.say(f"engine: the trail is whole: {session.engine.trail.head().number} lines")


@app.command()
def head() -> None:
    """Print the end of the trail, to be kept elsewhere: whoever has it can prove later what was there."""
    show.json_line(session.engine.trail.head())


@app.command("list")
def list_(after: Annotated[int, typer.Option(help="Only lines after this number.")] = 0) -> None:
    """Print the trail, one JSON object a line."""
    for line in session.engine.trail.lines(after):
        show.json_line(line)
