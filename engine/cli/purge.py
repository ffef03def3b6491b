"""`engine purge`: forget executions whose time is over."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import session


def command(
    older: Annotated[
        float | None,
        typer.Option(
            "--older-than", min=0, metavar="DAYS", help="Also those without a retention of their own."
        ),
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="Remove their directories of results too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show which.")] = False,
) -> None:
    """Remove ended executions whose retention is over; never one before its end.

    Results that wait on a storage for `engine retry` go with them; where that fails, the execution stays.
    """
    from engine.app.portal.audited_actions import local_actor
    from engine.app.portal.purge import files_of, giving_up, purge_due
    from engine.app.portal.site import site_of

    engine, count = session.engine, 0
    seconds = None if older is None else older * 86_400.0
    remove = files_of(site_of(engine.settings), engine.storage) if files else None
    give_up = giving_up(engine.db, engine.backends, engine.storage)
    due = purge_due(
        engine.db,
        engine.trail,
        engine.clock,
        older=seconds,
        files=remove,
        give_up=give_up,
        dry_run=dry_run,
        by=local_actor(),
    )
    try:
        for id_ in due:
            print(id_)
            count += 1
    finally:
        show.say(f"engine: {show.counted(count, 'execution')} {'to be ' if dry_run else ''}removed")
