"""`engine publish` and `engine search`: descriptors on Zenodo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.planning.zenodo_api import Zenodo


def publish(
    descriptor: Annotated[Path, typer.Argument(help="Boutiques descriptor: a file, which gets its doi.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Publish a new version of the record of its doi.")
    ] = False,
    id_: Annotated[
        str, typer.Option("--id", metavar="zenodo.N", help="Publish a new version of this record.")
    ] = "",
    new: Annotated[
        bool, typer.Option("--new", help="Publish a new record, though there is one of this name.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Publish a descriptor on Zenodo, and write its DOI into the file. It cannot be undone."""
    from engine.app.publication import published

    def confirmed(words: str) -> bool:
        return yes or typer.confirm(words, err=True)

    if not yes and not sys.stdin.isatty():
        from engine.errors import BadRequest

        raise BadRequest("what is published on Zenodo cannot be undone", remedy="--yes does it all the same")
    doi = published(_zenodo(token=True), descriptor, id_, replace=replace, new=new, confirmed=confirmed)
    if not doi:
        show.say("engine: nothing was published")
        raise typer.Exit(130)
    show.json_line({"descriptor": str(descriptor), "doi": doi}) if json else print(doi)


def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words of a tool's name; none: any tool.")] = None,
    most: Annotated[int, typer.Option("--max", "-m", min=1, max=25, help="Results.")] = 10,
    whole: Annotated[bool, typer.Option("--no-trunc", help="Cut no description.")] = False,
    json: Json = False,
) -> None:
    """Search descriptors on Zenodo, the one that was downloaded most often first."""
    from engine.planning.zenodo_records import search as found_on

    found: list[dict[str, Any]] = found_on(_zenodo(), " ".join(words or ()), most=most, whole=whole or json)
    columns = ["id", "title", "description", "downloads"]
    show.listing(found, columns, lambda one: tuple(one.values()), json=json)


def _zenodo(*, token: bool = False) -> Zenodo:
    from engine.errors import SettingsError
    from engine.planning.zenodo_api import Zenodo

    settings = session.engine.settings
    name = settings.zenodo_credential
    if token and not name:
        raise SettingsError(
            "setting zenodo_credential: a token of Zenodo is needed to publish",
            remedy="name a credential of kind key whose file holds one",
        )
    return Zenodo(
        settings.zenodo, session.engine.storage_registry.token("zenodo_credential", name) if token else ""
    )
