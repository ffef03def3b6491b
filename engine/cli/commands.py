"""The commands by name. A module is imported when its command is typed: all together cost 60 ms."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer

from engine.cli.examples import example
from engine.errors import BadRequest
from engine.terminal import HelpGroup, shown_example, summary

COMMANDS = {
    "submit": "submit:command",
    "plan": "plan:command",
    "expand": "expand:command",
    "lint": "lint:command",
    "test": "test:command",
    "list": "executions:command",
    "status": "status:command",
    "jobs": "jobs:command",
    "logs": "logs:command",
    "results": "results:command",
    "explain": "explain:command",
    "cancel": "cancel:command",
    "retry": "cancel:retry",
    "pause": "pause:pause",
    "resume": "pause:resume",
    "serve": "serve:command",
    "tick": "serve:tick",
    "doctor": "doctor:command",
    "sites": "sites:command",
    "usage": "usage:command",
    "login": "sites:login",
    "settings": "settings:command",
    "catalogue": "catalogue:app",
    "data": "data:app",
    "keys": "keys:app",
    "user": "user:app",
    "pipeline": "pipeline:app",
    "publish": "zenodo:publish",
    "search": "zenodo:search",
    "audit": "audit:app",
    "purge": "purge:command",
}
"""Name -> module of this package and what it holds there: a function, or a group of commands."""

_ANYWHERE = (
    *("expand", "lint"),  # they need no engine
    *("list", "status", "jobs", "logs", "results", "explain", "cancel", "retry"),
    *("pause", "resume"),
    *("keys", "sites", "usage", "user", "pipeline", "audit"),
)
"""Commands that are the same, whichever engine does the work."""
REMOTE = {
    "submit": "remote_submit:command",
    "plan": "remote_submit:plan",
    **{name: COMMANDS[name] for name in _ANYWHERE},
    "pipelines": "pipeline:pipelines",
    "files": "remote_files:files",
}
"""The same for a daemon elsewhere (`--server`)."""
HEADINGS = {
    "Run": ("submit", "plan", "expand", "lint", "test", "cancel", "retry", "pause", "resume"),
    "Look": ("list", "status", "jobs", "logs", "results", "explain"),
    "Data and tools": ("data", "catalogue", "files", "keys", "search", "publish", "pipelines"),
    "Administer": (
        *("doctor", "login", "settings", "sites", "serve", "tick"),
        *("user", "pipeline", "usage", "audit", "purge"),
    ),
}
"""Where the help shows each command."""
_INSTEAD = {
    "purge": "it is for cron on the machine of the daemon",
    "doctor": "GET /health/ready tells whether the daemon can work",
    "data": "engine --server URL files is for the platform's own",
    "catalogue": "engine --server URL files list shows the files of the platform",
    "pipelines": "engine pipeline list shows those of this machine",
    "files": "engine data is for files on storages of this machine",
}
"""What to do where a command is not there."""


class CommandGroup(HelpGroup):
    """The group of all commands."""

    headings = HEADINGS

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help."""
        return list(_table(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them; None when there is no such command."""
        if cmd_name not in _table(ctx):
            return None
        command = _command(cmd_name, _found(_table(ctx)[cmd_name]))
        _add_examples(command, cmd_name, server=_table(ctx) is REMOTE)
        command.short_help = summary(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve the command that is meant; of a misspelt one say what is like it."""
        known = _table(ctx)
        unknown = args and args[0] not in known and not ctx.resilient_parsing  # so a shell asks
        if unknown:
            _refuse(args[0], known)
        near = get_close_matches(args[0], known, 1) if unknown else []
        if near:
            raise BadRequest(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)


def subcommands(what: str) -> list[str]:
    """List the commands of a group of one of the tables above; none: it is no group."""
    found = _found(what)
    return list(typer.main.get_group(found).commands) if isinstance(found, typer.Typer) else []


def _command(name: str, found: Any) -> Any:
    if isinstance(found, typer.Typer):
        _plain(found)
        command: Any = typer.main.get_group(found)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name)(found)
    return typer.main.get_command(alone)


def _plain(app: typer.Typer) -> None:
    """Have a group, and those below it, print their help as all do."""
    app.rich_markup_mode = None
    app.info.cls = HelpGroup
    for below in app.registered_groups:
        if below.typer_instance is not None:
            below.cls = HelpGroup
            _plain(below.typer_instance)


def _add_examples(command: Any, words: str, *, server: bool) -> None:
    command.epilog = shown_example(example(words, server=server))
    for name, below in getattr(command, "commands", {}).items():
        _add_examples(below, f"{words} {name}", server=server)


def _found(what: str) -> Any:
    module, _, name = what.partition(":")
    return getattr(import_module(f"engine.cli.{module}"), name)


def _refuse(name: str, known: dict[str, str]) -> None:
    """Refuse a command that is there with `--server` only, or without it only."""
    if name in COMMANDS and known is REMOTE:
        raise BadRequest(
            f"engine {name} works on this machine only",
            remedy=_INSTEAD.get(name, "leave --server (ENGINE_SERVER) out"),
        )
    if name in REMOTE and known is COMMANDS:
        raise BadRequest(f"engine {name} is for a daemon elsewhere: --server URL", remedy=_INSTEAD[name])


def _table(ctx: Any) -> dict[str, str]:
    """Return what there is in this context; without one, what this machine can do."""
    return REMOTE if ctx is not None and ctx.params.get("server") else COMMANDS
