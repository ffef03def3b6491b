"""The command `cvmfs-deploy`: one file per group of commands; data goes to stdout, words to stderr."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cvmfs_deploy.cli import add, inspect, prune, recover, sync, tools, verify
from cvmfs_deploy.cli.examples import EXAMPLES
from cvmfs_deploy.cli.session import session
from engine.terminal import CommandProgram, VersionOption, command_line, shown_example

cli = command_line(
    "cvmfs-deploy",
    "Publishes container images on CVMFS, or in a shared directory, for jobs to run from.",
    EXAMPLES[""],
)


@cli.callback()
def _global(
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    to: Annotated[str, typer.Option(help="Where to publish: a directory, or cvmfs:REPOSITORY.")] = "",
    work: Annotated[Path | None, typer.Option(help="Directory for layers, journal and locks.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    version: VersionOption = False,
) -> None:
    session.config, session.to, session.work, session.quiet = config, to, work, quiet


for _function, _name in (
    (add.command, "add"),
    (sync.command, "sync"),
    (sync.plan, "plan"),
    (inspect.status, "status"),
    (inspect.listing, "list"),
    (verify.command, "verify"),
    (prune.retire, "retire"),
    (prune.rollback, "rollback"),
    (prune.prune, "prune"),
    (tools.command, "tools"),
    (recover.command, "recover"),
):
    cli.command(_name, epilog=shown_example(EXAMPLES[_name]))(_function)


def main() -> None:
    """Run a command; every expected failure is one clear line and a documented exit code."""
    os.umask(0o022)  # what is published is for everybody to read
    signal.signal(signal.SIGTERM, _interrupt)
    code = CommandProgram("cvmfs-deploy", cli, "interrupted; nothing is half published").run(sys.argv[1:])
    sys.stderr.flush()
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
