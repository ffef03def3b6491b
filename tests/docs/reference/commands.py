"""The commands of our programs with their arguments and options, from the programs themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import typer
import typer.main

from cvmfs_deploy.cli.main import cli as cvmfs_deploy
from engine.cli.commands import COMMANDS, REMOTE, subcommands
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


CVMFS_DEPLOY_EXITS = {
    "add": "0 all images are as they should be; 1 some are not; else as for all commands",
    "sync": "as of `add`",
    "plan": "0; else as of `add`, for what could not be asked",
    "verify": "0 nothing is damaged; 1 something is",
}


def reference() -> str:
    """A section for each command, in the order of `engine --help`."""
    return _reference("engine", cli, EXITS)


def cvmfs_deploy_reference() -> str:
    """A section for each command, in the order of `cvmfs-deploy --help`."""
    return _reference("cvmfs-deploy", cvmfs_deploy, CVMFS_DEPLOY_EXITS)


def _reference(program: str, app: typer.Typer, exits: Mapping[str, str]) -> str:
    group = typer.main.get_command(app)
    context = group.make_context(program, ["--help"], resilient_parsing=True)
    commands = _commands(group)
    parts = [_options(group, context)]
    for name, command in commands.items():
        section = _section(command, type(context)(command, context, name), exits.get(name, ""))
        parts += [f"## {program} {name}\n", section]
    return "\n".join(parts)


def remote() -> str:
    """Which commands there are on a machine, and which for a daemon elsewhere."""
    rows = [
        (code(f"engine {name}"), _words(name, COMMANDS), _words(name, REMOTE))
        for name in dict.fromkeys([*COMMANDS, *REMOTE])
    ]
    return table(["command", "on this machine", "with `--server URL`"], rows)


def _words(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        return "no"
    words = subcommands(known[name])
    return ", ".join(code(word) for word in words) if words else "yes"


def names() -> list[str]:
    """The commands there are."""
    return list(_commands(typer.main.get_command(cli)))


def _commands(group: Any) -> dict[str, Any]:
    return {name: group.get_command(None, name) for name in group.list_commands(None)}


def _section(command: Any, context: Any, exits: str) -> str:
    usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    words = " ".join((command.help or "").split())
    ends = f"Exit codes: {exits}.\n" if exits else ""
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


PARTS = {"commands": reference, "remote": remote, "cvmfs-deploy": cvmfs_deploy_reference}
