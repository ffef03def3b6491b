"""`engine pipeline`: what a portal offers, and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from engine.cli import proposals, show
from engine.cli.administration import administration
from engine.cli.session import DescriptorArgument, Json, NetworkOption, load_descriptor

IdentifierArgument = Annotated[str, typer.Argument(help="NAME/VERSION.")]
app = typer.Typer(
    help="Publish Boutiques descriptors as pipelines of a portal, or propose them.", no_args_is_help=True
)


def pipelines(json: Json = False) -> None:
    """Show the pipelines that may be used."""
    from engine.cli.remote_session import connected

    show.listing(connected().pipelines(), ["pipeline"], lambda one: [one["identifier"]], json=json)


@app.command()
def add(
    descriptor: DescriptorArgument,
    groups: proposals.GroupsOption = None,
    as_: proposals.OwnNameOption = "",
    replace: proposals.ReplaceOption = False,
    network: NetworkOption = False,
    json: Json = False,
) -> None:
    """Publish a descriptor as NAME/VERSION, after it was checked; one that was used is never changed."""
    loaded = load_descriptor(descriptor, network=network)
    with proposals.named(loaded):
        made = administration().publish(loaded.data, groups or (), identifier=as_, replace=replace)
    proposals.print_made(made, "identifier", json=json)


@app.command("list")
def list_(json: Json = False) -> None:
    """Show every pipeline that is offered, and to whom."""
    show.listing(administration().published(), ["pipeline", "for", "trusted"], _row, json=json)


def _row(one: Mapping[str, Any]) -> Sequence[str]:
    return one["identifier"], ", ".join(one["groups"]) or "everybody", "yes" if one["trusted"] else "no"


@app.command()
def share(identifier: IdentifierArgument, groups: proposals.GroupsOption = None) -> None:
    """Say who may use a pipeline."""
    administration().share(identifier, groups or ())
    show.say(f"pipeline {identifier} is for {', '.join(groups or ()) or 'everybody'}")


@app.command()
def trust(
    identifier: IdentifierArgument,
    no: Annotated[bool, typer.Option("--no", help="Trust it no more.")] = False,
) -> None:
    """Let jobs of a pipeline run where the tool is not kept apart from the engine (portal.isolation)."""
    administration().trust(identifier, trusted=not no)
    show.say(f"pipeline {identifier} is {'not ' if no else ''}trusted")


@app.command()
def withdraw(identifier: IdentifierArgument) -> None:
    """Offer a pipeline no more; executions go on knowing it."""
    administration().withdraw(identifier)
    show.say(f"pipeline {identifier} is no longer offered")


proposals.add_to(app)
