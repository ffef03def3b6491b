"""The commands by name. A module is imported when its command is typed: all together cost 60 ms."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from engine.errors import BadRequest

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
    "serve": "serve:command",
    "tick": "serve:tick",
    "doctor": "doctor:command",
    "sites": "sites:command",
    "login": "sites:login",
    "settings": "settings:command",
    "catalogue": "catalogue:app",
    "data": "data:app",
    "keys": "keys:app",
    "user": "user:app",
    "pipeline": "pipeline:app",
    "audit": "audit:app",
    "purge": "purge:command",
}
"""Name -> module of this package and what it holds there: a function, or a group of commands."""

REMOTE = {
    "submit": "remote:submit",
    "list": "remote:list_",
    "status": "remote:status",
    "jobs": "remote:jobs",
    "explain": "remote:explain",
    "logs": "remote:logs",
    "results": "remote:results",
    "cancel": "remote:cancel",
    "retry": "remote:retry",
    "pipelines": "remote_pipelines:pipelines",
    "pipeline": "remote_pipelines:pipeline",
    "files": "remote_files:files",
}
"""The same for a daemon elsewhere (`--server`)."""


class Commands(TyperGroup):
    """The group of all commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help."""
        return list(_table(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them; None when there is no such command."""
        if cmd_name not in _table(ctx):
            return None
        module, _, what = _table(ctx)[cmd_name].partition(":")
        found = getattr(import_module(f"engine.cli.{module}"), what)
        if isinstance(found, typer.Typer):
            found.rich_markup_mode = None
            command: Any = typer.main.get_group(found)
            command.name = cmd_name
            return command
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; a misspelt one is told with what is like it."""
        known = _table(ctx)
        near = get_close_matches(args[0], known, 1) if args and args[0] not in known else []
        if near:
            raise BadRequest(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)


def _table(ctx: Any) -> dict[str, str]:
    """What there is in this context; without one, what this machine can do."""
    return REMOTE if ctx is not None and ctx.params.get("server") else COMMANDS
