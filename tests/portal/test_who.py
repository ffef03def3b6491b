"""Who was it, and out with them: accounts, their sessions, and what an incident wants to know."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from engine.app.access.key import load_key
from engine.app.access.tokens import TokenScope, mint
from engine.clock import SystemClock
from tests.cli.desk import until
from tests.portal.house import House

pytestmark = pytest.mark.whole

PASSWORD = "a password of some length"


def session_of(house: House, name: str) -> str:
    answer = house.ok("POST", "/authenticate", {"username": name, "password": PASSWORD}, user="")
    return str(answer.json["httpHeaderValue"])


def status(house: House, secret: str) -> int:
    return house.ask("GET", "/executions", user="", apikey=secret).status


def is_refused(house: House, secret: str) -> bool:
    """Whether it opens nothing; many that open nothing must wait."""
    return status(house, secret) in (401, 429)


def made(house: House, name: str, password: bool = True) -> str:
    """The id of a new account."""
    told = json.loads(house.engine("user", "add", name, "--json").out)
    if password:
        house.ok("PATCH", f"/admin/users/{name}", {"password": PASSWORD}, user="root")
    return str(told["id"])


def test_the_key_file_alone_opens_no_account(house: House) -> None:
    key = load_key(house.desk.home / ".local/share/boutiques-engine/key")
    for id_ in (made(house, "without", password=False), made(house, "with")):
        text = f"{id_}.{int(SystemClock().now()) + 1000}"
        for own in ("", " ", "  ", id_):
            for signed in (f"{text} {own}", f"{text}{own}", text):
                assert is_refused(house, f"s.{text}.{key.sign('session', signed)}")


def test_a_session_opens_its_account_until_the_password_changes(house: House) -> None:
    made(house, "changing")
    session = session_of(house, "changing")
    assert status(house, session) == 200
    house.ok("PATCH", "/admin/users/changing", {"password": PASSWORD + "!"}, user="root")
    assert is_refused(house, session)


@pytest.mark.parametrize("name", ["Ann", "аnn", "ann\u200b", "é", "ａnn", "a b", "", "x" * 101, "a/b", "٣"])
def test_a_new_name_looks_like_no_other(house: House, name: str) -> None:
    answer = house.ask("POST", "/admin/users", {"name": name}, user="root")
    assert answer.status == 400
    assert "a to z" in answer.json["errorMessage"]


def test_a_job_of_a_place_is_traced_to_its_account_image_and_address(house: House) -> None:
    told = house.run("failer/1.0", {"code": "0"}, user="bob")
    [job] = house.ok("GET", f"/executions/{told['identifier']}/jobs", user="bob").json["jobs"]
    assert job["status"] == "COMPLETED"
    native = _native(house, told["identifier"])
    [found] = house.engine("audit", "who", f"local:{native}", "--json").values
    assert found["account"] == "bob"
    assert found["account_id"] == house.ids["bob"]
    assert found["execution"] == told["identifier"]
    assert found["address"] == "127.0.0.1"
    assert found["pipeline"] == "failer/1.0"
    assert found["host"]
    [by_host] = [
        one
        for one in house.engine("audit", "who", found["host"], found["started"], "--json").values
        if one["execution"] == told["identifier"]
    ]
    assert by_host == found
    words = house.engine("audit", "who", f"local:{native}").out
    assert "bob" in words
    answer = house.ok("GET", f"/admin/audit/who?what=local:{native}", user="root").json
    assert answer == [found]
    assert house.ask("GET", f"/admin/audit/who?what=local:{native}").status == 403


@pytest.mark.parametrize(
    "what", [["local:nobody"], ["nothing"], ["host", "yesterday"], ["host", "2026-01-01"]]
)
def test_what_is_not_known_is_said(house: House, what: list[str]) -> None:
    ran = house.desk.run("audit", "who", *what, variables=dict(house.variables))
    assert ran.code != 0
    assert "Traceback" not in ran.err
    assert house.ask("GET", f"/admin/audit/who?what={what[0]}&time={what[-1]}", user="root").status in (
        400,
        404,
    )


def _native(house: House, execution: str) -> str:
    with sqlite3.connect(house.desk.database) as database:
        query = "SELECT native_id FROM submission WHERE execution_id = ?"
        return str(database.execute(query, (execution,)).fetchone()[0])


@pytest.mark.parametrize("remote", [False, True])
def test_lock_now_ends_and_revokes_all_that_an_account_has(
    house: House, tmp_path: Path, remote: bool
) -> None:
    name = f"intruder-{remote}".lower()
    id_ = made(house, name)
    key, session = house.engine("user", "key", name).out.strip(), session_of(house, name)
    wanted = {
        "name": "a",
        "pipelineIdentifier": "waiter/1.0",
        "inputValues": {"gate": str(tmp_path / "never")},
    }
    made_ = house.ok("POST", "/executions", wanted, user="", apikey=key).json["identifier"]
    until(lambda: _attempt(house, made_))
    token = mint(
        load_key(house.desk.home / ".local/share/boutiques-engine/key"),
        TokenScope(("vip",), frozenset({"read"}), SystemClock().now() + 600, _attempt(house, made_)),
    )
    bearer = {"Authorization": f"Bearer {token}"}
    assert house.ask("PROPFIND", "/se/vip", user="", raw=True, headers=bearer).status == 207
    if remote:
        variables = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["root"]}
        house.desk.ok("user", "lock", name, "--now", variables=variables)
    else:
        house.engine("user", "lock", name, "--now")
    assert is_refused(house, key)
    assert is_refused(house, session)
    until(lambda: house.ask("PROPFIND", "/se/vip", user="", raw=True, headers=bearer).status == 401)
    until(lambda: house.told(made_, "root")["status"] == "Killed")
    house.engine("user", "unlock", name)
    assert status(house, key) == 200
    assert is_refused(house, session)
    actions = [json.loads(line) for line in house.engine("audit", "list").out.splitlines()]
    mine = [one["action"] for one in actions if id_ in one["data"]]
    assert mine[-3:] == ["user.lock", "user.revoke_all", "user.unlock"]
    house.engine("audit", "verify")


def _attempt(house: House, execution: str) -> str:
    with sqlite3.connect(house.desk.database) as database:
        query = (
            "SELECT a.id FROM attempt a JOIN submission s ON s.id = a.submission_id "
            "WHERE s.execution_id = ? AND a.state IN ('queued', 'running')"
        )
        found = database.execute(query, (execution,)).fetchone()
    return str(found[0]) if found else ""


def test_the_head_is_a_line_of_a_file_after_each_change(house: House) -> None:
    state = house.desk.home / ".local/state/boutiques-engine/audit-heads.jsonl"
    head = house.engine("audit", "head").value
    assert head["signature"]
    assert head["public_key"]
    lines = [json.loads(line) for line in state.read_text().splitlines()]
    assert {one["number"]: one["sha256"] for one in lines}[head["number"]] == head["sha256"]
    file = house.desk.write("head.json", head)
    house.engine("audit", "verify", "--head", file)
