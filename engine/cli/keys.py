"""`engine keys`: API keys of external platforms, from which jobs get short-lived tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.remote_session import connected
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.app.data.platforms import PlatformKeys

app = typer.Typer(
    help="Keep API keys of external platforms; jobs get short-lived tokens made from them.",
    no_args_is_help=True,
)
PlatformArgument = Annotated[str, typer.Argument(help="The platform: a storage of the settings.")]


@app.command()
def add(platform: PlatformArgument) -> None:
    """Register a key, read from a prompt or from standard input: never from the command line."""
    if sys.stdin.isatty():
        key = typer.prompt(f"API key for {platform}", hide_input=True, err=True)
    else:
        key = sys.stdin.readline()
    if session.server:
        connected().add_platform_key(platform, key.strip())
    else:
        _keys().add(platform, key)
    show.say(f"a key for {platform} is registered")


@app.command("list")
def list_(json: Json = False) -> None:
    """Show for which platforms there are keys."""
    from engine.clock import iso

    rows: list[tuple[str, str | None]]
    if session.server:
        rows = [(platform, None) for platform in connected().platform_keys()]
    else:
        rows = [(found.platform, iso(found.at)) for found in _keys().all()]
    found = [{"platform": platform, "registered": at} for platform, at in rows]
    show.listing(found, ["platform", "registered"], lambda one: [*one.values()], json=json)


@app.command()
def remove(platform: PlatformArgument) -> None:
    """Forget a key."""
    if session.server:
        connected().remove_platform_key(platform)
    else:
        _keys().remove(platform)
    show.say(f"the key for {platform} is forgotten")


def _keys() -> PlatformKeys:
    from engine.app.data.platforms import PlatformKeys, default_root

    settings = session.engine.settings
    return PlatformKeys(default_root(), settings.owner, settings.storages)
