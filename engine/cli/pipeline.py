"""`engine pipeline`: what the portal offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from engine.cli import proposals, show
from engine.cli.session import DescriptorArgument, Json, NetworkOption, load_descriptor, session

AsOption = Annotated[
    str, typer.Option("--as", help="NAME/VERSION, in place of the descriptor's own name and tool-version.")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Replace a pipeline of this name and version that was never used.")
]
OFFERED = ["pipeline", "for", "trusted"]
NoOption = Annotated[bool, typer.Option("--no", help="Trust it no more.")]
app = typer.Typer(help="Publish Boutiques descriptors as pipelines of the portal.", no_args_is_help=True)


@app.command()
def add(
    descriptor: DescriptorArgument,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="Who may use it; everybody if left out.")
    ] = None,
    as_: AsOption = "",
    replace: ReplaceOption = False,
    network: NetworkOption = False,
    json: Json = False,
) -> None:
    """Publish a descriptor as NAME/VERSION, after it was checked; one that was used is never changed."""
    loaded = load_descriptor(descriptor, network=network)
    made, findings = session.engine.publishing.add(loaded, groups or (), identifier=as_, replace=replace)
    for found in findings:
        show.say(f"engine: warning: {found.where}: {found.message}")
    if json:
        show.json_line({"identifier": made.identifier, "descriptor": made.descriptor_sha256})
    else:
        print(made.identifier)


@app.command("list")
def list_(json: Json = False) -> None:
    """Show every pipeline that is offered."""
    pipelines = session.engine.pipelines
    found = [
        {
            "identifier": one.identifier,
            "descriptor": one.descriptor_sha256,
            "groups": pipelines.group_names(one),
            "trusted": one.trusted,
        }
        for one in pipelines.all()
    ]
    show.listing(found, OFFERED, offered, json=json)


def offered(one: Mapping[str, Any]) -> Sequence[str]:
    """Return the row of a pipeline."""
    return one["identifier"], ", ".join(one["groups"]) or "everybody", "yes" if one["trusted"] else "no"


@app.command()
def share(
    identifier: Annotated[str, typer.Argument(help="NAME/VERSION.")],
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="Who may use it; everybody if left out.")
    ] = None,
) -> None:
    """Say who may use a pipeline."""
    session.engine.publishing.share(identifier, groups or ())
    show.say(f"pipeline {identifier} is for {', '.join(groups or ()) or 'everybody'}")


@app.command()
def trust(identifier: Annotated[str, typer.Argument(help="NAME/VERSION.")], no: NoOption = False) -> None:
    """Let jobs of a pipeline run where the tool is not kept apart from the engine (portal.isolation)."""
    session.engine.publishing.trust(identifier, trusted=not no)
    show.say(f"pipeline {identifier} is {'not ' if no else ''}trusted")


@app.command()
def withdraw(identifier: Annotated[str, typer.Argument(help="NAME/VERSION.")]) -> None:
    """Offer a pipeline no more; executions go on knowing it."""
    session.engine.publishing.withdraw(identifier)
    show.say(f"pipeline {identifier} is no longer offered")


proposals.add_to(app)
