"""`engine user`: accounts of the portal, their keys and groups."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from engine.cli import show
from engine.cli.administration import administration
from engine.cli.session import Json

app = typer.Typer(help="Manage who may use the portal of engine serve.", no_args_is_help=True)
group = typer.Typer(help="Manage groups: who is in one shares its files and pipelines.", no_args_is_help=True)
app.add_typer(group, name="group")
NameArgument = Annotated[str, typer.Argument(help="Name of a user.")]
GroupArgument = Annotated[str, typer.Argument(help="Name of a group.")]
RoleOption = Annotated[str, typer.Option(help="user, admin, or service.")]
KeyOption = Annotated[str, typer.Option("--name", help="What the key is for.")]


@app.command()
def add(
    name: NameArgument,
    role: RoleOption = "user",
    groups: Annotated[list[str] | None, typer.Option("--group", help="A group to be in.")] = None,
    json: Json = False,
) -> None:
    """Make an account, and print a first API key for it: it is shown this once."""
    made = administration().add_user(name, _role(role), groups or ())
    if json:
        show.json_line({key_: made[key_] for key_ in ("id", "name", "role", "key")})
        return
    print(made["key"])
    show.say(f"user {name} has the key above; it is shown this once")


@app.command("list")
def list_(json: Json = False) -> None:
    """Show every account."""
    columns = ["name", "role", "groups", "", "identity", "id"]
    show.listing(administration().users(), columns, _row, json=json)


def _row(one: Mapping[str, Any]) -> Sequence[str]:
    locked = "locked" if one["locked"] else ""
    return one["name"], one["role"], _groups(one["groups"]), locked, _identity(one), one["id"]


@app.command()
def key(name: NameArgument, purpose: KeyOption = "key") -> None:
    """Make a further API key, and print it: it is shown this once."""
    print(administration().new_key(name, purpose))


@app.command()
def keys(name: NameArgument, json: Json = False) -> None:
    """Show which keys there are; never the keys."""
    found = [{"name": one["name"], "made": one["made"]} for one in administration().user_keys(name)]
    show.listing(found, ["key", "made"], lambda one: [*one.values()], json=json)


@app.command()
def revoke(name: NameArgument, purpose: KeyOption) -> None:
    """Make a key worthless from now on."""
    administration().revoke_key(name, purpose)
    show.say(f"the key {purpose} of {name} opens nothing any more")


@app.command()
def lock(
    name: NameArgument,
    now: Annotated[
        bool, typer.Option("--now", help="Cancel its executions; revoke sessions, claims and tokens.")
    ] = False,
) -> None:
    """Refuse everything that an account shows; without --now its executions go on."""
    administration().set_locked(name, locked=True, now=now)
    show.say(f"user {name} is locked{', and all that it had is ended and revoked' if now else ''}")


@app.command()
def unlock(name: NameArgument) -> None:
    """Let an account in again."""
    administration().set_locked(name, locked=False)
    show.say(f"user {name} is not locked")


@app.command()
def role(name: NameArgument, to: Annotated[str, typer.Argument(help="user, admin, or service.")]) -> None:
    """Change what an account is for."""
    administration().set_role(name, _role(to))
    show.say(f"user {name} is {to}")


@app.command()
def quota(
    name: NameArgument,
    running: Annotated[int | None, typer.Option(min=0, help="Executions that run at a time.")] = None,
    waiting: Annotated[int | None, typer.Option(min=0, help="Executions that wait.")] = None,
    jobs: Annotated[int | None, typer.Option(min=0, help="Jobs of one execution.")] = None,
    bytes_: Annotated[int | None, typer.Option("--bytes", min=0, help="Bytes of files.")] = None,
) -> None:
    """Set how much an account may have; what is left out is as the settings say."""
    wanted = {"running": running, "waiting": waiting, "jobs": jobs, "bytes": bytes_}
    administration().set_quota(name, wanted)
    said = ", ".join(f"{count} {kind}" for kind, count in wanted.items() if count is not None)
    show.say(f"user {name} may have {said or 'what the settings say'}")


@app.command()
def password(name: NameArgument) -> None:
    """Set a password, read from a prompt or from standard input, for clients that log in with one."""
    if sys.stdin.isatty():
        secret = typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        secret = sys.stdin.readline().rstrip("\n")
    administration().set_password(name, secret)
    show.say(f"user {name} has a new password")


@group.command("add")
def group_add(name: GroupArgument) -> None:
    """Make a group."""
    administration().add_group(name)
    show.say(f"there is a group {name}")


@group.command("list")
def group_list(json: Json = False) -> None:
    """Show every group."""
    show.listing(administration().groups(), ["name", "id"], lambda one: (one["name"], one["id"]), json=json)


@group.command("join")
def group_join(name: GroupArgument, user: NameArgument) -> None:
    """Make a user a member."""
    administration().join(name, user)
    show.say(f"user {user} is in {name}")


@group.command("leave")
def group_leave(name: GroupArgument, user: NameArgument) -> None:
    """End a membership."""
    administration().remove_member(name, user)
    show.say(f"user {user} is not in {name}")


def _identity(one: Mapping[str, Any]) -> str:
    """Render what an identity provider calls it: a name there is whatever its owner chose."""
    return f"{one['subject']} of {one['issuer']}" if one["subject"] else ""


def _groups(groups: Iterable[Mapping[str, Any]]) -> str:
    """Its groups, and which of them the identity provider says."""
    return ", ".join(f"{one['name']}{' (of its provider)' if one['issuer'] else ''}" for one in groups)


def _role(text: str) -> str:
    from engine.domain.account import Role
    from engine.errors import BadRequest

    try:
        return Role(text)
    except ValueError:
        raise BadRequest(f"no role {text}", remedy=f"there is {', '.join(Role)}") from None
