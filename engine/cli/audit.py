"""`engine audit`: who did what through the portal, and whether the trail is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli import show
from engine.cli.administration import administration

app = typer.Typer(help="Show and verify the audit trail of the portal.", no_args_is_help=True)


@app.command()
def verify(
    heads: Annotated[
        list[Path] | None, typer.Option("--head", help="An exported head that the trail must contain.")
    ] = None,
) -> None:
    """Find any line that was altered, removed or reordered. Exit code 1 when there is one."""
    ours = administration()
    problems = 0
    for problem in ours.audit_problems([_head(path) for path in heads or ()]):
        show.say(f"engine: {problem}")
        problems += 1
    if problems:
        raise typer.Exit(1)
    show.say(f"engine: the trail is whole: {show.counted(ours.audit_head()['number'], 'line')}")


@app.command()
def head() -> None:
    """Print the end of the trail, to be kept elsewhere: whoever has it can prove later what was there."""
    show.json_line(administration().audit_head())


@app.command("list")
def list_(after: Annotated[int, typer.Option(min=0, help="Only lines after this number.")] = 0) -> None:
    """Print the trail, one JSON object a line."""
    for line in administration().audit_lines(after):
        show.json_line(line)


def _head(path: Path) -> dict[str, Any]:
    from engine.app.portal.audit import read_head
    from engine.errors import BadRequest

    try:
        found = read_head(path.read_text())
    except (ValueError, KeyError, TypeError):
        raise BadRequest(f"{path}: not a head of an audit trail") from None
    return {"number": found.number, "sha256": found.sha256}
