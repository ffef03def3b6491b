"""`engine results`: the committed results of an execution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import show
from engine.cli.session import ExecutionArgument, Json, session


def command(
    execution: ExecutionArgument = None,
    download: Annotated[Path | None, typer.Option(help="Copy them into this directory.")] = None,
    json: Json = False,
) -> None:
    """Show the results of an execution, or bring them home."""
    app = session.engine.app
    id_ = app.resolve(execution)
    rows = []
    for product in app.products(id_) if download is None else app.download(id_, download):
        if json:
            show.json_line(product)
        else:
            rows.append((product.job, product.output, product.name, show.size(product.size), product.sha256))
    if not json:
        show.table(["job", "output", "name", "size", "sha256"], rows)
    if download is not None and not json:
        show.say(f"engine: {len(rows)} results are in {download}" if rows else "engine: there is none")
