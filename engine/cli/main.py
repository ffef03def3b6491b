"""The command `engine`: one file per command; data goes to stdout, words for people to stderr."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from engine import __version__
from engine.cli import ending, show
from engine.cli.commands import Commands
from engine.cli.session import session
from engine.errors import BadRequest, Bug, Cancelled, EngineError, Unavailable

cli = typer.Typer(
    name="engine",
    cls=Commands,
    help="Runs Boutiques tools in containers, on this machine or on a grid, and brings their results home.",
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
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    session.config = config
    session.server = server


def main() -> None:
    """Run a command; every expected failure is one clear line and a documented exit code."""
    ending.heed()
    logging.getLogger().addHandler(show.Warnings(logging.WARNING))
    _leave(_run(sys.argv[1:]))


def _run(words: list[str]) -> int:
    """The exit code of a command. Not by Typer's own `main`, where a closed pipe is a failed job."""
    try:
        code = _invoke(words)
        sys.stdout.flush()
        return code
    except EngineError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:  # `engine jobs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, EOFError, typer.Abort):
        show.say("engine: interrupted")
        return Cancelled.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        show.say(f"engine: {where}{error.strerror or error}")
        return Unavailable.exit_code
    except Exception as error:
        return _usage_or_defect(error)


def _invoke(words: list[str]) -> int:
    try:
        with typer.main.get_command(cli).make_context("engine", words) as context:
            context.command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _leave(code: int) -> NoReturn:
    """End at once: Python would tidy up the memory of all that was imported, object by object, before the
    system frees it as a whole; a quarter of a short command's time, measured.
    """
    session.close()
    with suppress(OSError):
        sys.stdout.flush()  # what a command printed before it failed
    sys.stderr.flush()
    os._exit(code)


def _complain(error: EngineError) -> None:
    lines = error.problems if isinstance(error, BadRequest) and error.problems else (error.message,)
    for line in lines:
        show.say(f"engine: {line}")
    if error.remedy:
        show.say(f"engine: {error.remedy}")
    if isinstance(error, Bug):
        show.say("engine: this is a defect of the engine; please report it")


def _usage_or_defect(error: Exception) -> int:
    """Errors of the command line's own parser know their exit code; anything else is a defect of ours."""
    code: Any = getattr(error, "exit_code", None)
    words = getattr(error, "format_message", None)
    if code is not None and words is not None:
        text = words()
        show.say(text if text.startswith("Usage: ") else f"engine: {text}")
        return int(code)
    show.say(f"engine: {type(error).__name__}: {error}")
    show.say(f"engine: this is a defect of the engine; please report it{_keep_traceback()}")
    return Bug.exit_code


def _keep_traceback() -> str:
    """Put the traceback where a report can quote it; users are spared it."""
    from engine.settings import xdg

    path = xdg("XDG_STATE_HOME", ".local/state") / "defects.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a") as log:
            log.write(traceback.format_exc() + "\n")
    except OSError:
        return ""
    return f" with the end of {path}"
