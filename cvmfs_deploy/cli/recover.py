"""`cvmfs-deploy recover`: after something went wrong that the next run cannot mend by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from cvmfs_deploy.cli import show
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.deploy import translated_os
from cvmfs_deploy.lock import locked
from cvmfs_deploy.published import look, unknown_trees
from engine.errors import Unavailable


def command(
    force: Annotated[
        bool, typer.Option("--force", help="Also give up a transaction that somebody else may have opened.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Undo what a run that was killed left behind, and make a damaged index anew from what is published."""
    destination = session.destination()
    with (
        translated_os(destination.settings.work),
        locked(destination.publisher.lock, destination.settings.wait),
    ):
        done = list(destination.publisher.recover(force))
        try:
            look(destination.publisher.top, destination.layout)
        except Unavailable:
            index = look(destination.publisher.top, destination.layout, rebuild=True).index
            destination.publish(index, rebuild=True)
            images, names = show.counted(len(index.images), "image"), show.counted(len(index.names), "name")
            done.append(f"made the index anew: {images}, {names}")
        seen = destination.look()
        if unknown := unknown_trees(seen, seen.index):
            destination.publish(seen.index, sweep=True)
            done += [f"removed {tree}, which the index does not know" for tree in unknown]
    if as_json:
        show.json_document({"done": done})
        return
    for line in done or ["nothing to recover"]:
        show.note(line)
