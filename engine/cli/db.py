"""`engine db`: copies of the database, put back, checked and made smaller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import session

app = typer.Typer(help="Back up, restore, check and shrink the database.", no_args_is_help=True)


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that is not there yet.")],
) -> None:
    """Write a consistent copy of the database to a file, also while engines work."""
    size = session.engine.database.back_up(file)
    show.say(f"engine: {file}: {show.size(size)}")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy that `engine db backup` made.")],
) -> None:
    """Replace the database by a copy of it; no engine may be at work.

    What ended or still runs since the copy is found by the next engine and taken over, not computed again.
    Executions that were submitted since are unknown then.
    """
    done = session.engine.database.restore(file)
    show.say(f"engine: the database is that of {file}; the one of before is kept in {done.kept}")
    if done.lines:
        show.say(f"engine: only that copy has {show.counted(done.lines, 'line')} more of the audit trail")
    show.say("engine: the next engine looks for what came after it; engine doctor tells what there is")


@app.command("check")
def check() -> None:
    """Check the file, references, counters and the audit trail. Exit code 1 when something is wrong."""
    whole = True
    for problem in session.engine.database.problems():
        show.say(f"engine: {problem}")
        whole = False
    if not whole:
        raise typer.Exit(1)
    show.say("engine: the database is whole")


@app.command("vacuum")
def vacuum() -> None:
    """Give back to the disk what removed rows took: after `engine purge`. Engines wait meanwhile."""
    before, after = session.engine.database.shrink()
    show.say(f"engine: {show.size(before)} before, {show.size(after)} now")
