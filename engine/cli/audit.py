"""`engine audit`: who did what through the portal, and whether the trail is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.cli import show
from engine.cli.administration import administration
from engine.cli.session import Json

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
    head = ours.audit_head()
    unsigned = head["unsigned"]
    show.say(
        f"engine: the trail is whole: {show.counted(head['number'], 'line')}"
        + (
            f"; up to line {unsigned} an older engine wrote it, whose heads were not signed"
            if unsigned
            else ""
        )
    )


@app.command()
def head() -> None:
    """Print the end of the trail, to be kept elsewhere: whoever has it can prove later what was there."""
    show.json_line(administration().audit_head())


@app.command("list")
def list_(after: Annotated[int, typer.Option(min=0, help="Only lines after this number.")] = 0) -> None:
    """Print the trail, one JSON object a line."""
    for line in administration().audit_lines(after):
        show.json_line(line)


@app.command()
def who(
    what: Annotated[str, typer.Argument(metavar="BACKEND:ID|HOST", help="A job of a back-end, or a host.")],
    time: Annotated[str, typer.Argument(help="With a host: when, like 2026-03-01T12:00:00Z.")] = "",
    json: Json = False,
) -> None:
    """Name who is behind a job of a back-end, or behind what ran on a host at a time."""
    for one in administration().who(what, time):
        if json:
            show.json_line(one)
            continue
        for name, value in one.items():
            if value != "":
                print(f"{name + ':':<12}{value}")
        print()


def _head(path: Path) -> dict[str, Any]:
    from engine.app.portal.audit import read_head
    from engine.errors import BadRequest

    try:
        found = read_head(path.read_text())
    except (ValueError, KeyError, TypeError):
        raise BadRequest(f"{path}: not a head of an audit trail") from None
    return {"number": found.number, "sha256": found.sha256, "signature": found.signature}
