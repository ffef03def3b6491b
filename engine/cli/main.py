"""The command `engine`: one file per command; data goes to stdout, words for people to stderr."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from engine.cli import show, signals
from engine.cli.commands import CommandGroup
from engine.cli.examples import example
from engine.cli.session import session
from engine.terminal import CommandProgram, VersionOption, command_line

cli = command_line(
    "engine",
    "Runs Boutiques tools in containers, on this machine or on a grid, and brings their results home.",
    example(""),
    CommandGroup,
)


@cli.callback()
def _global(
    config: Annotated[
        Path | None, typer.Option(help="Settings file, instead of $ENGINE_CONFIG and the usual place.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            envvar="ENGINE_SERVER",
            help="URL of a daemon that does the work; its API key is in ENGINE_KEY.",
            is_eager=True,  # --help after it shows what a daemon can do
        ),
    ] = None,
    version: VersionOption = False,
) -> None:
    session.config = config
    session.server = server


def main() -> None:
    """Run a command; every expected failure is one clear line and a documented exit code."""
    signals.install_handlers()
    logging.getLogger().addHandler(show.Warnings(logging.WARNING))
    _exit(CommandProgram("engine", cli).run(sys.argv[1:]))


def _exit(code: int) -> NoReturn:
    """End at once: Python would tidy up the memory of all that was imported, object by object, before the
    system frees it as a whole; a quarter of a short command's time, measured.
    """
    session.close()
    with suppress(OSError):
        sys.stdout.flush()  # what a command printed before it failed
    sys.stderr.flush()
    os._exit(code)
