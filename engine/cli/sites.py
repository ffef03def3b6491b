"""`engine sites`: the sites of the grid, as jobs found them."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session


def command(
    backend: Annotated[str, typer.Option(help="Only sites of this back-end.")] = "",
    json: Json = False,
) -> None:
    """Show where jobs ran, what worked there, and which sites rest for a while."""
    from engine.app.health.grid import sites_of

    engine = session.engine
    found = sites_of(engine.db, engine.clock.now(), backend)
    if json:
        for view in found:
            show.json_line(view)
        return
    rows = [(v.backend, v.site, v.state, v.succeeded, v.failed, v.runtimes, v.last_failure) for v in found]
    show.table(["backend", "site", "state", "succeeded", "failed", "runtimes", "last failure"], rows)


def login() -> None:
    """Tell how to log in at the grid, and as whom you are."""
    from engine.app.health.grid import login_steps

    engine = session.engine
    for line in login_steps(engine.settings, engine.backends):
        print(line)
