"""The command `cvmfs-deploy`: one file per group of commands; data goes to stdout, words to stderr."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from cvmfs_deploy.cli import add, inspect, prune, recover, show, sync, tools, verify
from cvmfs_deploy.cli.session import session
from engine import __version__
from engine.errors import BadRequest, Bug, Cancelled, EngineError, Unavailable

cli = typer.Typer(
    name="cvmfs-deploy",
    help="Publishes container images on CVMFS, or in a shared directory, for jobs to run from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@cli.callback()
def _global(
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    to: Annotated[str, typer.Option(help="Where to publish: a directory, or cvmfs:REPOSITORY.")] = "",
    work: Annotated[Path | None, typer.Option(help="Directory for layers, journal and locks.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
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
    cli.command(_name)(_function)


def main() -> None:
    """Run a command; every expected failure is one clear line and a documented exit code."""
    os.umask(0o022)  # what is published is for everybody to read
    signal.signal(signal.SIGTERM, _interrupt)
    code = _run(sys.argv[1:])
    sys.stderr.flush()
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(words: list[str]) -> int:
    try:
        with typer.main.get_command(cli).make_context("cvmfs-deploy", words) as context:
            context.command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as done:
        sys.stdout.flush()
        return done.exit_code
    except EngineError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:  # `cvmfs-deploy list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, EOFError, typer.Abort):
        show.say("cvmfs-deploy: interrupted; nothing is half published")
        return Cancelled.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        show.say(f"cvmfs-deploy: {where}{error.strerror or error}")
        return Unavailable.exit_code
    except Exception as error:
        return _usage_or_defect(error)


def _complain(error: EngineError) -> None:
    lines = error.problems if isinstance(error, BadRequest) and error.problems else (error.message,)
    for line in lines:
        show.say(f"cvmfs-deploy: {line}")
    if error.remedy:
        show.say(f"cvmfs-deploy: {error.remedy}")
    if isinstance(error, Bug):
        show.say("cvmfs-deploy: this is a defect of the program; please report it")


def _usage_or_defect(error: Exception) -> int:
    """Errors of the command line's own parser know their exit code; anything else is a defect of ours."""
    code: Any = getattr(error, "exit_code", None)
    words = getattr(error, "format_message", None)
    if code is not None and words is not None:
        text = words()
        show.say(text if text.startswith("Usage: ") else f"cvmfs-deploy: {text}")
        return int(code)
    show.say(f"cvmfs-deploy: {type(error).__name__}: {error}")
    show.say("cvmfs-deploy: this is a defect of the program; please report it")
    if os.environ.get("CVMFS_DEPLOY_TRACEBACK"):
        raise error
    show.say("cvmfs-deploy: CVMFS_DEPLOY_TRACEBACK=1 shows where")
    return Bug.exit_code
