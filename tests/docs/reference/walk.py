"""Our programs and their commands as their own help tells of them, for the reference and the manual pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import typer
import typer.main

from cvmfs_deploy.cli.main import cli as cvmfs_deploy
from engine.cli.main import cli as engine
from tests.docs.markdown import sentence

Row = tuple[str, str]
"""An argument or option, and what it means."""


@dataclass(frozen=True)
class Command:
    """A command, or a program."""

    words: Sequence[str]
    """As they are typed: `engine`, `data`, `ls`."""
    usage: str
    about: str
    arguments: Sequence[Row]
    options: Sequence[Row]
    example: str
    help: str
    """What `--help` prints, 80 columns wide."""
    below: Sequence[Command]

    @property
    def name(self) -> str:
        """All its words."""
        return " ".join(self.words)

    def all(self) -> Iterator[Command]:
        """Itself and every command below."""
        yield self
        for command in self.below:
            yield from command.all()


def programs() -> tuple[Command, Command]:
    """What is on this machine: `engine` and `cvmfs-deploy`."""
    return _program("engine", engine), _program("cvmfs-deploy", cvmfs_deploy)


def remote() -> Command:
    """Describe `engine --server URL`."""
    return _program("engine", engine, "--server", "URL")


def remote_only() -> list[Command]:
    """The commands that are another with `--server`, or are there with it only."""
    here = {command.words[1:]: command for command in programs()[0].all()}
    others = (_differing(command, here) for command in remote().below)
    return [command for command in others if command is not None]


def _differing(command: Command, here: Mapping[Sequence[str], Command]) -> Command | None:
    """Leave out of a command of a daemon what is the same on this machine; None: all of it is."""
    same = here.get(command.words[3:])
    below = [found for one in command.below if (found := _differing(one, here)) is not None]
    if same is not None and not below and _told(same) == _told(command):
        return None
    return replace(command, below=below)


def _told(command: Command) -> tuple[object, ...]:
    return command.about if not command.below else "", command.arguments, command.options


def _program(name: str, app: typer.Typer, *before: str) -> Command:
    group = typer.main.get_command(app)
    context = group.make_context(name, [*before, "--help"], resilient_parsing=True, terminal_width=80)
    return _described((name, *before), group, context)


def _described(words: Sequence[str], command: Any, context: Any) -> Command:
    names = command.list_commands(context) if hasattr(command, "list_commands") else ()
    below = []
    for name in names:
        inner = command.get_command(context, name)
        below.append(_described((*words, name), inner, type(context)(inner, info_name=name, parent=context)))
    usage = " ".join(command.get_usage(context).split()).removeprefix("Usage: ")
    return Command(
        words=words,
        usage=usage,
        about=" ".join((command.help or "").split()),
        arguments=_rows(command, context, "argument"),
        options=_rows(command, context, "option"),
        example=(command.epilog or "").rpartition("\n")[2].strip(),
        help=command.get_help(context),
        below=below,
    )


def _rows(command: Any, context: Any, kind: str) -> list[Row]:
    records = [p.get_help_record(context) for p in command.get_params(context) if p.param_type_name == kind]
    return [
        (_plain(name), sentence(" ".join(text.split())))
        for name, text in filter(None, records)
        if "--help" not in name
    ]


def _plain(name: str) -> str:
    """`--state <list[a|b]>` as `--state <a|b>`: what may be repeated, and ranges, are told in words."""
    return re.sub(r"<(?:list\[)?(.*?)(?: range)?\]?>", r"<\1>", name)
