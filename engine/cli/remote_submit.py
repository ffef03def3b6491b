"""`engine --server URL submit`: a pipeline of the platform or a descriptor, over files there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import foreground
from engine.cli.remote_session import daemon, document
from engine.cli.session import Json, load_descriptor

if TYPE_CHECKING:
    from collections.abc import Mapping


def command(
    pipeline: Annotated[
        str, typer.Argument(help="NAME/VERSION, zenodo.N, or a descriptor file of your own.")
    ],
    invocation: Annotated[Path, typer.Argument(help="JSON file with the values; files are /vip/... there.")],
    name: Annotated[str, typer.Option(help="Name of the execution.")] = "execution",
    results: Annotated[str, typer.Option(help="Where results go.")] = "/vip/Home",
    key: Annotated[
        str | None, typer.Option(help="Your own key: submitting twice with it is submitting once.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the execution goes on there.")
    ] = False,
    vip: Annotated[
        bool, typer.Option("--vip", help="VIP's rules, as on this machine; a platform always has them.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a pipeline on the platform; a list given to an input that is no list is a job for each element."""
    own = Path(pipeline).is_file() or pipeline.endswith(".json")
    what: str | Mapping[str, Any] = load_descriptor(pipeline, network=False).data if own else pipeline
    view = daemon().submit(what, document(invocation), title=name, results=results, key=key)
    if detach:
        foreground.detached(view, json=json)
        return
    raise typer.Exit(foreground.run(view, json=json))
