"""`engine sites`: the sites of the grid, as jobs found them."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import show
from engine.cli.administration import administration
from engine.cli.session import Json, session


def command(
    backend: Annotated[str, typer.Option(help="Only sites of this back-end.")] = "",
    json: Json = False,
) -> None:
    """Show where jobs ran, what worked there, and which sites rest for a while."""
    found = administration().sites(backend)
    columns = ["backend", "site", "state", "succeeded", "failed", "runtimes", "last_failure"]
    names = [column.replace("_", " ") for column in columns]
    show.listing(found, names, lambda one: [one[column] for column in columns], json=json)


def login() -> None:
    """Tell how to log in at the grid, and as whom you are."""
    from engine.app.health.grid import login_steps

    engine = session.engine
    for line in login_steps(engine.backends):
        print(line)
