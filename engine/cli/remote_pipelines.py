"""`engine --server URL pipeline`: what a platform offers, and to whom."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli import proposals, show
from engine.cli.pipeline import OFFERED, AsOption, NoOption, ReplaceOption, offered
from engine.cli.remote_session import connected
from engine.cli.session import DescriptorArgument, Json, NetworkOption, load_descriptor

pipeline = typer.Typer(
    help="Propose pipelines; for administrators: what the platform offers.", no_args_is_help=True
)
IdentifierArgument = Annotated[str, typer.Argument(help="NAME/VERSION.")]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group", help="Who may use it; everybody if left out.")
]


def pipelines(json_: Json = False) -> None:
    """Show the pipelines that may be used."""
    show.listing(connected().pipelines(), ["pipeline"], lambda one: [one["identifier"]], json=json_)


@pipeline.command()
def add(
    descriptor: DescriptorArgument,
    groups: GroupsOption = None,
    as_: AsOption = "",
    replace: ReplaceOption = False,
    network: NetworkOption = False,
    json_: Json = False,
) -> None:
    """Publish a descriptor as NAME/VERSION, after it was checked; one that was used is never changed."""
    loaded = load_descriptor(descriptor, network=network)
    made = connected().publish(loaded.data, groups or (), identifier=as_, replace=replace)
    for warning in made["warnings"]:
        show.say(f"engine: warning: {warning}")
    show.json_line(made) if json_ else print(made["identifier"])


@pipeline.command("list")
def pipeline_list(json_: Json = False) -> None:
    """Show every pipeline that is offered, and to whom."""
    show.listing(connected().published(), OFFERED, offered, json=json_)


@pipeline.command()
def share(identifier: IdentifierArgument, groups: GroupsOption = None) -> None:
    """Say who may use a pipeline."""
    connected().share(identifier, groups or ())


@pipeline.command()
def trust(identifier: IdentifierArgument, no: NoOption = False) -> None:
    """Let jobs of a pipeline run where the tool is not kept apart from the engine (portal.isolation)."""
    connected().trust(identifier, trusted=not no)


@pipeline.command()
def withdraw(identifier: IdentifierArgument) -> None:
    """Offer a pipeline no more; executions go on knowing it."""
    connected().withdraw(identifier)


proposals.add_to(pipeline)
