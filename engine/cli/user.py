"""`engine user`: accounts of the portal, their keys and groups."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.domain.account import Role

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
    users = session.engine.users
    made = users.add(name, _role(role), tuple(groups or ()))
    key = users.new_key(name, "first")
    if json:
        show.json_line({"id": made.id, "name": made.name, "role": made.role, "key": key})
        return
    print(key)
    show.say(f"user {name} has the key above; it is shown this once")


@app.command("list")
def list_(json: Json = False) -> None:
    """Show every account."""
    found = session.engine.users.all()
    if json:
        for one in found:
            show.json_line(one)
        return
    rows = [
        (one.name, one.role, ", ".join(g.name for g in one.groups), "locked" if one.locked else "", one.id)
        for one in found
    ]
    show.table(["name", "role", "groups", "", "id"], rows)


@app.command()
def key(name: NameArgument, purpose: KeyOption = "key") -> None:
    """Make a further API key, and print it: it is shown this once."""
    print(session.engine.users.new_key(name, purpose))


@app.command()
def keys(name: NameArgument, json: Json = False) -> None:
    """Show which keys there are; never the keys."""
    from engine.clock import iso

    rows = [(one.name, iso(one.created_at)) for one in session.engine.users.keys(name)]
    if not json:
        show.table(["key", "made"], rows)
    for purpose, at in rows if json else ():
        show.json_line({"name": purpose, "made": at})


@app.command()
def revoke(name: NameArgument, purpose: KeyOption) -> None:
    """Make a key worthless from now on."""
    session.engine.users.revoke_key(name, purpose)
    show.say(f"the key {purpose} of {name} opens nothing any more")


@app.command()
def lock(name: NameArgument) -> None:
    """Refuse everything that an account shows; its executions go on."""
    session.engine.users.change(name, locked=True)
    show.say(f"user {name} is locked")


@app.command()
def unlock(name: NameArgument) -> None:
    """Let an account in again."""
    session.engine.users.change(name, locked=False)
    show.say(f"user {name} is not locked")


@app.command()
def role(name: NameArgument, to: Annotated[str, typer.Argument(help="user, admin, or service.")]) -> None:
    """Change what an account is for."""
    session.engine.users.change(name, role=_role(to))
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
    from engine.domain.account import Quota

    session.engine.users.set_quota(name, Quota(running, waiting, jobs, bytes_))


@app.command()
def password(name: NameArgument) -> None:
    """Set a password, read from a prompt or from standard input, for clients that log in with one."""
    if sys.stdin.isatty():
        word = typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        word = sys.stdin.readline().rstrip("\n")
    session.engine.users.set_password(name, word)
    show.say(f"user {name} has a new password")


@group.command("add")
def group_add(name: GroupArgument) -> None:
    """Make a group."""
    session.engine.users.add_group(name)
    show.say(f"there is a group {name}")


@group.command("list")
def group_list(json: Json = False) -> None:
    """Show every group."""
    found = session.engine.users.groups()
    if not json:
        show.table(["name", "id"], [(one.name, one.id) for one in found])
    for one in found if json else ():
        show.json_line(one)


@group.command("join")
def group_join(name: GroupArgument, user: NameArgument) -> None:
    """Make a user a member."""
    session.engine.users.join(user, name)


@group.command("leave")
def group_leave(name: GroupArgument, user: NameArgument) -> None:
    """End a membership."""
    session.engine.users.leave(user, name)


def _role(text: str) -> Role:
    from engine.domain.account import Role
    from engine.errors import BadRequest

    try:
        return Role(text)
    except ValueError:
        raise BadRequest(f"no role {text}", remedy=f"there is {', '.join(Role)}") from None
