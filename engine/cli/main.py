"""The command `engine`: one file per command; data goes to stdout, words for people to stderr."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from engine import __version__
from engine.cli import (
    cancel,
    doctor,
    ending,
    executions,
    expand,
    explain,
    jobs,
    lint,
    logs,
    plan,
    results,
    serve,
    settings,
    show,
    status,
    submit,
    test,
)
from engine.cli.session import session
from engine.errors import BadRequest, Bug, EngineError

cli = typer.Typer(
    name="engine",
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
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    session.config = config


for _module, _name in (
    (submit, "submit"),
    (plan, "plan"),
    (expand, "expand"),
    (lint, "lint"),
    (test, "test"),
    (executions, "list"),
    (status, "status"),
    (jobs, "jobs"),
    (logs, "logs"),
    (results, "results"),
    (explain, "explain"),
    (cancel, "cancel"),
    (serve, "serve"),
    (doctor, "doctor"),
    (settings, "settings"),
):
    cli.command(_name)(_module.command)
cli.command("retry")(cancel.retry)
cli.command("tick")(serve.tick)


def main() -> None:
    """Run a command; every expected failure is one clear line and a documented exit code."""
    ending.heed()
    logging.getLogger().addHandler(show.Warnings(logging.WARNING))
    try:
        code = cli(standalone_mode=False)  # a typer.Exit comes back as its code
    except EngineError as error:
        _complain(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # `engine jobs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (KeyboardInterrupt, typer.Abort):
        print("engine: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        _usage_or_raise(error)
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _complain(error: EngineError) -> None:
    lines = error.problems if isinstance(error, BadRequest) and error.problems else (error.message,)
    for line in lines:
        print(f"engine: {line}", file=sys.stderr)
    if error.remedy:
        print(f"engine: {error.remedy}", file=sys.stderr)
    if isinstance(error, Bug):
        print("engine: this is a defect of the engine; please report it", file=sys.stderr)


def _usage_or_raise(error: Exception) -> None:
    """Errors of the command line's own parser know their exit code; anything else is a bug."""
    code: Any = getattr(error, "exit_code", None)
    words = getattr(error, "format_message", None)
    if code is None or words is None:
        raise error
    print(f"engine: {words()}", file=sys.stderr)
    sys.exit(code)
