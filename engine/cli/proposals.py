"""`engine pipeline propose` and what follows: for administrators, and with `--server` for users too."""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import show
from engine.cli.administration import administration
from engine.cli.session import DescriptorArgument, Json, NetworkOption, load_descriptor, session
from engine.errors import BadRequest

if TYPE_CHECKING:
    from engine.planning import Descriptor

IdArgument = Annotated[str, typer.Argument(help="Id of a proposal.")]
OwnNameOption = Annotated[
    str, typer.Option("--as", help="NAME/VERSION, in place of the descriptor's own name and tool-version.")
]
AsOption = Annotated[str, typer.Option("--as", help="NAME/VERSION, in place of what was proposed.")]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group", help="Who may use it; everybody if left out.")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Replace a pipeline of this name and version that was never used.")
]
_UNNAMED = re.compile("^descriptor: ")
_COLUMNS = ["id", "pipeline", "state", "user", "proposed", "answer"]


def propose(
    descriptor: DescriptorArgument,
    as_: OwnNameOption = "",
    note: Annotated[str, typer.Option(help="Words for the administrator.")] = "",
    network: NetworkOption = False,
    json: Json = False,
) -> None:
    """Propose a descriptor to the administrators of a platform, who publish or refuse it."""
    loaded = load_descriptor(descriptor, network=network)
    with named(loaded):
        made = _users().propose(loaded.data, as_, note)
    print_made(made, "id", json=json)


@contextmanager
def named(descriptor: Descriptor) -> Iterator[None]:
    """Have errors name the file of a descriptor, which is read elsewhere as one without a name."""
    try:
        yield
    except BadRequest as error:
        lines = [_UNNAMED.sub(f"{descriptor.source}: ", line) for line in (error.message, *error.problems)]
        raise BadRequest(lines[0], remedy=error.remedy, problems=lines[1:]) from None


def print_made(made: Mapping[str, Any], name: str, *, json: bool) -> None:
    """Print what was published or proposed: its name alone, or all as JSON."""
    show.warn(made["warnings"])
    show.json_line(made) if json else print(made[name])


def unpropose(id_: IdArgument) -> None:
    """Take a proposal of one's own back."""
    _users().withdraw_proposal(id_)
    show.say(f"proposal {id_} is withdrawn")


def proposals(
    mine: Annotated[bool, typer.Option("--mine", help="One's own, with what has become of them.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    json: Json = False,
) -> None:
    """Show proposals: those of all users that are open, for administrators; or one's own."""
    found: Sequence[Mapping[str, Any]] = (
        _users().my_proposals() if mine else administration().proposals(decided=all_)
    )
    keys = ["id", "identifier", "state", "user", "proposed", "answer"]
    show.listing(found, _COLUMNS, lambda one: [one.get(key, "") for key in keys], json=json)


def proposal(
    id_: IdArgument,
    descriptor: Annotated[
        bool,
        typer.Option("--descriptor", help="Print the descriptor itself, for engine plan or engine test."),
    ] = False,
    json: Json = False,
) -> None:
    """Show one proposal before it is published: what lint finds, its plan, digests, and its own tests."""
    one = administration().proposal(id_)
    if descriptor:
        print(json_module.dumps(one["descriptor"], indent=4))
    elif json:
        show.json_line(one)
    else:
        _print(one)


def accept(
    id_: IdArgument,
    groups: GroupsOption = None,
    as_: AsOption = "",
    replace: ReplaceOption = False,
) -> None:
    """Publish what was proposed."""
    print(administration().publish_proposal(id_, groups or (), identifier=as_, replace=replace))


def refuse(id_: IdArgument, why: Annotated[str, typer.Option("--why", help="Words for its user.")]) -> None:
    """Refuse what was proposed."""
    administration().refuse_proposal(id_, why)
    show.say(f"proposal {id_} is refused")


def add_to(app: typer.Typer) -> None:
    """Make them commands of a group."""
    for each in (propose, unpropose, proposals, proposal, accept, refuse):
        app.command(each.__name__)(each)


def _users() -> Any:
    """Return the platform on which somebody is a user; on this machine nobody is."""
    from engine.cli.remote_session import connected

    if not session.server:
        raise BadRequest(
            "proposals are made by users of a platform: --server URL",
            remedy="on this machine engine pipeline add publishes a descriptor at once",
        )
    return connected()


def _print(one: Mapping[str, Any]) -> None:
    plan = one["plan"]
    lines = [
        ("proposal", f"{one['id']}, {one['state']}{': ' if one['answer'] else ''}{one['answer']}"),
        ("pipeline", one["identifier"] + (f" (there is {one['replaces']})" if one["replaces"] else "")),
        ("from", f"{one['user']}, {one['proposed']}"),
        ("note", one["note"]),
        ("digest", f"sha256 {one['descriptor_sha256']}"),
        ("command", plan["command"]),
        ("image", plan["image"] or "none"),
        ("", plan["image_digest"] or "not fixed by a digest" if plan["image"] else ""),
        *(("input", each) for each in plan["inputs"]),
        *(("output", each) for each in plan["outputs"]),
        *(("lint", f"{each['level']}: {each['where']}: {each['message']}") for each in one["lint"]),
    ]
    for name, text in lines:
        if text:
            print(f"{name:10}{show.cell(text)}")
    for test in one["tests"]:
        print(f"{'test':10}{show.cell(test['name'])}: {show.cell(test['problem'] or test['command'])}")
        for each in test["asserts"]:
            print(f"{'':12}{show.cell(each)}")
    if not one["tests"]:
        print(f"{'test':10}none")
