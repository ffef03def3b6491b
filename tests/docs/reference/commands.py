"""The commands of our programs with their arguments and options, from the programs themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from engine.cli.commands import COMMANDS, REMOTE, subcommands
from tests.docs.markdown import code, table
from tests.docs.reference import walk
from tests.docs.reference.walk import Command, Row

EXITS = {
    "submit": "0 all jobs succeeded; 1 some did not, or the results of a BIDS app are no data set; "
    "130 cancelled; with `--detach` 0 once it is written",
    "retry": "0 all jobs succeeded; 1 some did not, or the results of a BIDS app are no data set; "
    "130 cancelled; 0 when there is nothing to try again",
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
    """A section for each command, in the order of `engine --help`, and what several share once."""
    program, _ = walk.programs()
    many = _shared(program, "submit", "plan", "expand")
    both = _shared(program, "submit", "plan") - many
    shared = {
        "Options of `submit` and `plan`": both,
        "Options of `submit`, `plan` and `expand`": many,
    }
    parts = [_rows(program), _sections(program.below, EXITS, shared)]
    for heading, rows in shared.items():
        options = [row for row in _find(program, "submit").options if row in rows]
        parts += [f"## {heading}\n", _table(options)]
    return "\n".join([*parts, _sections(walk.remote_only(), {}, {})])


def _shared(program: Command, *names: str) -> set[Row]:
    return set.intersection(*(set(_find(program, name).options) for name in names))


def _find(program: Command, name: str) -> Command:
    return next(command for command in program.below if command.words[-1] == name)


def cvmfs_deploy_reference() -> str:
    """A section for each command, in the order of `cvmfs-deploy --help`."""
    _, program = walk.programs()
    return "\n".join([_rows(program), _sections(program.below, CVMFS_DEPLOY_EXITS, {})])


def _sections(
    commands: Sequence[Command], exits: Mapping[str, str], shared: Mapping[str, set[Row]], level: str = "##"
) -> str:
    parts = []
    for command in commands:
        exit_codes = exits.get(command.words[-1], "") if level == "##" else ""
        example = command.example and not command.below
        parts += [
            f"{level} {command.name}\n",
            f"{command.about}\n",
            f"```\n{command.usage}\n```\n" if not command.below else "",
            _rows(command, shared),
            f"```console\n$ {command.example}\n```\n" if example else "",
            f"Exit codes: {exit_codes}.\n" if exit_codes else "",
            _sections(command.below, {}, {}, level + "#"),
        ]
    return "\n".join(filter(None, parts))


def _rows(command: Command, shared: Mapping[str, set[Row]] | None = None) -> str:
    used = {heading: rows for heading, rows in (shared or {}).items() if rows <= set(command.options)}
    elsewhere = set[Row]().union(*used.values())
    rows = [*command.arguments, *(row for row in command.options if row not in elsewhere)]
    links = " and ".join(f"[{_lower(heading)}](#{_anchor(heading)})" for heading in used)
    return "\n".join(filter(None, [_table(rows) if rows else "", f"And the {links}.\n" if links else ""]))


def _table(rows: Iterable[Row]) -> str:
    return table(["argument or option", "meaning"], [(code(name), meaning) for name, meaning in rows])


def _lower(heading: str) -> str:
    return heading[0].lower() + heading[1:]


def _anchor(heading: str) -> str:
    return re.sub(r"[`,]", "", heading.lower()).replace(" ", "-")


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
    return [command.words[-1] for command in walk.programs()[0].below]


PARTS = {"commands": reference, "remote": remote, "cvmfs-deploy": cvmfs_deploy_reference}
