"""The commands of `engine` with their arguments and options, from the program itself."""

from __future__ import annotations

import re
from typing import Any

import typer.main

from engine.cli.main import cli
from tests.docs.markdown import code, sentence, table

EXITS = {
    "submit": "0 all jobs succeeded; 1 some did not; 130 cancelled; with `--detach` 0 once it is written",
    "retry": "0 all jobs succeeded; 1 some did not; 130 cancelled; 0 when there is nothing to try again",
    "expand": "0; 2 when an invocation is wrong (its line says what)",
    "lint": "0; 2 when jobs would be refused",
    "test": "0 all tests passed; 1 some failed; 2 the descriptor has none",
    "doctor": "0; 3 when something must be mended before jobs can run",
    "serve": "0 when it was told to stop",
}
"""What the exit codes of a command mean beyond those of all commands."""


def reference() -> str:
    """A section for each command, in the order of `engine --help`."""
    group = typer.main.get_command(cli)
    context = group.make_context("engine", ["--help"], resilient_parsing=True)
    commands: dict[str, Any] = group.commands  # type: ignore[attr-defined]
    parts = [_options(group, context)]
    for name, command in commands.items():
        parts += _with_those_below(f"engine {name}", command, type(context)(command, context, name))
    return "\n".join(parts)


def _with_those_below(name: str, command: Any, context: Any) -> list[str]:
    """The sections of a command, and of those that are spelt with its name in front."""
    parts = [f"## {name}\n", _section(name.removeprefix("engine "), command, context)]
    for below, each in getattr(command, "commands", {}).items():
        parts += _with_those_below(f"{name} {below}", each, type(context)(each, context, below))
    return parts


def names() -> list[str]:
    """The commands there are."""
    return list(typer.main.get_command(cli).commands)  # type: ignore[attr-defined]


def _section(name: str, command: Any, context: Any) -> str:
    usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    words = " ".join((command.help or "").split())
    ends = f"Exit codes: {EXITS[name]}.\n" if name in EXITS else ""
    return "\n".join(filter(None, [f"{words}\n", f"```\n{usage}\n```\n", _options(command, context), ends]))


def _options(command: Any, context: Any) -> str:
    params = sorted(command.get_params(context), key=lambda p: p.param_type_name)  # arguments first
    records = [p.get_help_record(context) for p in params]
    rows = [(code(_plain(name)), sentence(" ".join(words.split()))) for name, words in filter(None, records)]
    rows = [row for row in rows if "--help" not in row[0]]
    return table(["argument or option", "meaning"], rows) if rows else ""


def _plain(name: str) -> str:
    """`--state <list[a|b]>` as `--state <a|b>`: what may be repeated, and ranges, are told in words."""
    return re.sub(r"<(?:list\[)?(.*?)(?: range)?\]?>", r"<\1>", name)


PARTS = {"commands": reference}
