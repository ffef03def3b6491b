"""Accounts, groups and the audit trail: through the interface, from Python, and with commands anywhere."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from engine.cli.commands import COMMANDS, REMOTE
from engine.cli.main import cli
from engine.cli.session import session
from engine.client import Client
from engine.errors import BadRequest, CredentialExpired, NotFound
from engine.ids import new_id
from engine.terminal import CommandProgram
from tests.cli.desk import Ran, ended, until
from tests.portal.house import GROUP, House

pytestmark = pytest.mark.whole


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    """The administrator root, from Python."""
    with Client(house.url, house.keys["root"]) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name that nobody has."""
    return f"u-{new_id()[-8:].lower()}"


def there(house: House, *words: str, user: str = "root", **options: Any) -> Ran:
    """A command typed elsewhere."""
    variables = {"ENGINE_KEY": house.keys[user]}
    return house.desk.run("--server", house.url, *words, variables=variables, **options)


def here(house: House, *words: str, **options: Any) -> Ran:
    """The same on the machine of the database."""
    return house.desk.run(*words, variables=dict(house.variables), **options)


def lines(client: Client, account: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """What the audit trail tells of somebody."""
    return [
        (one["action"], one["status"], tuple(one["data"]))
        for one in client.audit_lines()
        if one["account"] == account
    ]


def test_an_account_lives_through_the_interface(house: House, client: Client, name: str) -> None:
    made = client.add_user(name, "service", [GROUP])
    assert (made["role"], [one["name"] for one in made["groups"]]) == ("service", [GROUP])
    assert house.ask("GET", "/executions", user="", apikey=made["key"]).status == 200
    client.set_role(name, "user")
    client.set_quota(name, {"running": 2, "bytes": 1 << 40})
    client.set_password(name, "correct horse battery")
    [told] = [one for one in client.users() if one["name"] == name]
    assert (told["role"], told["id"], told["locked"]) == ("user", made["id"], False)
    assert told["quota"] == {"running": 2, "waiting": None, "jobs": None, "bytes": 1 << 40}
    session_ = house.ok(
        "POST", "/authenticate", {"username": name, "password": "correct horse battery"}, user=""
    ).json
    assert house.ask("GET", "/executions", user="", apikey=session_["httpHeaderValue"]).status == 200
    client.set_locked(name, True)
    assert house.ask("GET", "/executions", user="", apikey=made["key"]).code in (8002, 8004)
    client.set_locked(name, False)
    key = client.new_key(name, "of a/laptop")
    assert [one["name"] for one in client.user_keys(name)] == ["first", "of a/laptop"]
    client.revoke_key(name, "of a/laptop")
    assert house.ask("GET", "/executions", user="", apikey=key).code in (8002, 8004)
    assert "key" not in json.dumps(client.users())


def test_a_group_lives_through_the_interface(client: Client, name: str) -> None:
    client.add_user(name)
    client.add_group(f"team of {name}")
    client.join(f"team of {name}", name)
    client.join(f"team of {name}", name)
    [told] = [one for one in client.users() if one["name"] == name]
    assert [one["name"] for one in told["groups"]] == [f"team of {name}"]
    assert f"team of {name}" in [one["name"] for one in client.groups()]
    client.remove_member(f"team of {name}", name)
    [told] = [one for one in client.users() if one["name"] == name]
    assert told["groups"] == []


@pytest.mark.parametrize(
    "alike",
    [
        "BRAIN TEAM",
        "ｂrain team",
        "brain team ",
        "brain  team",
        "br\u0430in team",
        ".",
        "..",
        "a/b",
        "re\u0301seau",
    ],
)
def test_no_group_is_called_what_looks_like_another_or_like_no_name(client: Client, alike: str) -> None:
    with pytest.raises(BadRequest, match="group"):
        client.add_group(alike)


def test_no_account_is_called_a_step_in_a_path(client: Client) -> None:
    for name in (".", ".."):
        with pytest.raises(BadRequest, match="a name has the letters"):
            client.add_user(name, "user", [])


@pytest.mark.parametrize("change", [{"role": "user"}, {"locked": True}])
def test_no_administrator_takes_the_role_from_themselves(house: House, change: dict[str, Any]) -> None:
    answer = house.ask("PATCH", "/admin/users/root", change, user="root")
    assert answer.status == 400
    assert "root is the account that asks" in answer.body.decode()
    assert house.ask("PATCH", "/admin/users/root", {"role": "admin"}, user="root").status == 200


def test_each_deed_is_one_line_that_tells_who_did_it_to_whom(house: House, client: Client, name: str) -> None:
    before = len(lines(client, house.ids["root"]))
    id_ = client.add_user(name)["id"]
    client.new_key(name, "second")
    client.revoke_key(name, "second")
    client.set_role(name, "admin")
    client.set_quota(name, {})
    client.set_password(name, "correct horse battery")
    client.set_locked(name, True)
    client.join(GROUP, name)
    found = lines(client, house.ids["root"])[before:]
    wanted = ["add", "key", "revoke", "role", "quota", "password", "lock"]
    assert [one[0] for one in found] == [*(f"user.{word}" for word in wanted), "group.join"]
    assert {one[1] for one in found} == {"done"}
    assert {one[2][0] for one in found} == {id_}
    assert name not in json.dumps(list(client.audit_lines()))
    head = client.audit_head()
    assert client.audit_problems([head]) == []
    for after, whole in ((head, True), ({**head, "sha256": "0" * 64}, False)):
        told = house.ok("POST", "/admin/audit/verify", {"after": after}, user="root").json
        assert (not told["problems"], told["next"]) == (whole, None)


def test_what_fails_changes_nothing_and_is_told_as_refused(house: House, client: Client, name: str) -> None:
    client.add_user(name)
    for wrong in (
        lambda: client.add_user(name),
        lambda: client.add_user("a b"),
        lambda: client.add_user(""),
        lambda: client.add_user(f"{name}2", "king"),
        lambda: client.new_key(name, "first"),
        lambda: client.new_key(name, ""),
        lambda: client.new_key(name, "a\0b"),
        lambda: client.new_key(name, "first/"),
        lambda: client.set_password(name, "short"),
        lambda: client.set_quota(name, {"jobs": -1}),
        lambda: client.add_group(GROUP),
        lambda: client.add_group("a/b"),
    ):
        with pytest.raises(BadRequest) as caught:
            wrong()
        assert not isinstance(caught.value, NotFound)
    for unknown in (
        lambda: client.add_user(f"{name}2", groups=["none"]),
        lambda: client.new_key("nobody", "x"),
        lambda: client.user_keys("a\0b"),
        lambda: client.revoke_key(name, "none"),
        lambda: client.set_role("a b", "user"),
        lambda: client.join("none", name),
        lambda: client.remove_member(GROUP, "nobody"),
    ):
        with pytest.raises(NotFound):
            unknown()
    assert [one["name"] for one in client.users() if one["name"].startswith(name)] == [name]


def test_a_change_is_done_as_a_whole_or_not_at_all(house: House, client: Client, name: str) -> None:
    id_ = client.add_user(name)["id"]
    path, before = f"/admin/users/{name}", len(lines(client, house.ids["root"]))
    changes = {"role": "service", "locked": True, "quota": {"jobs": 5}}
    refused = house.ask("PATCH", path, {**changes, "password": "short"}, user="root")
    assert (refused.status, refused.code) == (400, 8000)
    [told] = [one for one in client.users() if one["name"] == name]
    assert (told["role"], told["locked"], told["quota"]["jobs"]) == ("user", False, None)
    told = house.ok("PATCH", path, {**changes, "password": "correct horse battery"}, user="root").json
    assert (told["role"], told["locked"], told["quota"]["jobs"]) == ("service", True, 5)
    done = [one for one in lines(client, house.ids["root"])[before:] if one[1] == "done"]
    assert [one[0] for one in done] == ["user.quota", "user.password", "user.role", "user.lock"]
    assert {one[2] for one in done} == {(id_,)}


@pytest.mark.parametrize("user", ["ann", "watcher"])
def test_nobody_but_administrators_does_any_of_it(house: House, user: str) -> None:
    document = house.ok("GET", "/openapi.json").json
    found = [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/rest/admin/")
    ]
    assert len(found) > 15
    for method, path in found:
        body = {"name": "mine", "role": "admin", "groups": [], "descriptor": {}, "locked": False}
        concrete = path.replace("{name}", "ann").replace("{", "").replace("}", "")
        answer = house.ask(method, concrete, body, user=user, raw=True)
        assert (answer.status, answer.code) == (403, 8008), (method, path)


def test_the_same_commands_say_the_same_here_and_elsewhere(house: House, name: str) -> None:
    for words in (
        ["user", "list", "--json"],
        ["user", "list"],
        ["user", "keys", "ann", "--json"],
        ["user", "group", "list", "--json"],
        ["pipeline", "list"],
        ["pipeline", "list", "--json"],
        ["pipeline", "share", "packer/1.0"],
        ["pipeline", "withdraw", "none/1.0"],
        ["audit", "head"],
        ["sites", "--json"],
        ["sites"],
        ["usage", "--by", "user", "--by", "pipeline", "--csv"],
        ["usage", "--by", "moon"],
        ["user", "key", "nobody"],
        ["user", "role", "ann", "king"],
    ):
        one, other = here(house, *words), there(house, *words)
        assert (one.code, one.out) == (other.code, other.out), (one, other)
    both = [here(house, "audit", "verify"), there(house, "audit", "verify")]
    assert [ran.code for ran in both] == [0, 0]
    head = house.desk.write("head.json", there(house, "audit", "head").value)
    assert there(house, "audit", "verify", "--head", head).code == 0
    forged = house.desk.write("forged.json", {"number": 1, "sha256": "0" * 64})
    assert [run(house, "audit", "verify", "--head", forged).code for run in (here, there)] == [1, 1]


def test_a_descriptor_that_cannot_be_offered_is_named_here_and_elsewhere(house: House) -> None:
    file = house.desk.write("wrong.json", {"name": "x", "command-line": "x [Y]", "inputs": 7})
    said = [run(house, "pipeline", "add", file) for run in (here, there)]
    assert [ran.code for ran in said] == [2, 2]
    assert all("engine: wrong.json: not a valid descriptor: " in ran.err for ran in said), said


def test_an_administrator_trusts_a_pipeline_from_elsewhere(house: House) -> None:
    def trusted() -> list[str]:
        return [
            one["identifier"] for one in there(house, "pipeline", "list", "--json").values if one["trusted"]
        ]

    assert there(house, "pipeline", "trust", "packer/1.0").code == 0
    assert trusted() == ["packer/1.0"]
    assert there(house, "pipeline", "trust", "packer/1.0", "--no", user="ann").code == 2
    assert there(house, "pipeline", "trust", "packer/1.0", "--no").code == 0
    assert trusted() == []


def test_an_administrator_makes_a_user_from_elsewhere(house: House, name: str) -> None:
    made = there(house, "user", "add", name, "--group", GROUP, "--json").value
    assert sorted(made) == ["id", "key", "name", "role"]
    password = house.desk.directory / f"password-{name}"
    password.write_text("correct horse battery\n")
    with password.open() as file:
        assert there(house, "user", "password", name, stdin=file).code == 0
    assert there(house, "user", "quota", name, "--jobs", "5").code == 0
    assert there(house, "user", "group", "leave", GROUP, name).code == 0
    assert there(house, "user", "revoke", name, "--name", "first").code == 0
    assert house.ask("GET", "/executions", user="", apikey=made["key"]).code in (8002, 8004)
    refused = there(house, "user", "list", user="ann")
    assert (refused.code, refused.out) == (2, "")
    assert "only administrators may do this" in refused.err


def test_commands_on_the_machine_itself_leave_lines_marked_as_local(
    house: House, client: Client, name: str
) -> None:
    actor = f"local:{os.getuid()}"
    before = len(lines(client, actor))
    for words in (
        ["user", "add", name],
        ["user", "lock", name],
        ["user", "group", "add", f"team of {name}"],
        ["pipeline", "share", "copier/1.0"],
    ):
        assert here(house, *words).code == 0
    assert [one[0] for one in lines(client, actor)[before:]] == [
        "user.add",
        "user.lock",
        "group.add",
        "pipeline.share",
    ]


def test_who_ends_or_restarts_a_users_execution_on_the_machine_is_written_down(
    house: House, client: Client
) -> None:
    actor = f"local:{os.getuid()}"
    id_ = house.start("waiter/1.0", {"gate": "/nowhere"})

    def story() -> list[tuple[str, bool]]:
        found = [one for one in house.engine("audit", "list").values if one["execution"] == id_]
        return [(one["action"], one["account"] == actor) for one in found]

    assert here(house, "cancel", id_).code == 0
    until(lambda: story()[-1][0] == "end")
    process = house.desk.start("retry", id_)
    until(lambda: house.told(id_)["jobs"]["0"]["status"] == "RUNNING")
    process.send_signal(signal.SIGINT)
    assert ended(process).code == 130
    until(lambda: story()[-1][0] == "end")
    assert story() == [
        ("launch", False),
        ("kill", True),
        ("end", False),
        ("restart", True),
        ("kill", True),
        ("end", False),
    ]


def test_a_wrong_key_is_told_with_its_exit_code(house: House) -> None:
    ran = house.desk.run("--server", house.url, "user", "list", variables={"ENGINE_KEY": "ge_wrong"})
    assert (ran.code, ran.out) == (CredentialExpired.exit_code, "")
    assert "ENGINE_KEY" in ran.err


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(REMOTE)))
def test_a_command_that_is_of_this_machine_says_so_with_a_server(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "server", None)
    code = CommandProgram("engine", cli).run(["--server", "http://127.0.0.1:1", command])
    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    assert told.err.splitlines()[0] == f"engine: engine {command} works on this machine only"


@pytest.mark.parametrize("command", sorted(set(REMOTE) - set(COMMANDS)))
def test_a_command_of_a_daemon_says_so_without_one(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "server", None)
    assert CommandProgram("engine", cli).run([command]) == 2
    assert f"engine: engine {command} is for a daemon elsewhere" in capsys.readouterr().err
