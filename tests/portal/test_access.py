"""Who may do what: every route as a stranger, and what one user can see of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.desk import until
from tests.portal.house import House

pytestmark = pytest.mark.whole

OPEN = {
    ("GET", "/rest/platform"),
    ("PUT", "/rest/platform"),
    ("POST", "/rest/platform"),
    ("POST", "/rest/authenticate"),
    ("POST", "/rest/session"),
    ("DELETE", "/rest/session"),
}
"""What everybody may ask without a key; and the pipelines of everybody, with `?public`."""


def routes(house: House) -> Iterator[tuple[str, str]]:
    document = house.ok("GET", "/openapi.json").json
    for path, methods in document["paths"].items():
        yield from ((method.upper(), path) for method in methods)


@pytest.fixture(scope="module")
def bobs(house: House) -> str:
    """An execution of bob's that has ended."""
    house.put("/vip/Home/in.txt", b"bob's secret\n", user="bob")
    values = {"file": "/vip/Home/in.txt", "word": "w"}
    told = house.run("copier/1.0", values, user="bob", resultsLocation="/vip/Home/out")
    assert told["status"] == "Finished"
    return str(told["identifier"])


def test_every_route_but_the_log_in_wants_a_key(house: House) -> None:
    found = set(routes(house))
    assert len(found) > 25
    for method, path in found - OPEN:
        concrete = path.replace("{id_}", "x").replace("{number}", "0").replace("{", "").replace("}", "")
        answer = house.ask(method, concrete, {}, user="", raw=True)
        assert (answer.status, answer.code) == (401, 8003), (method, path, answer)
        assert "apikey" in answer.headers["www-authenticate"]


def test_a_wrong_key_is_refused_everywhere_also_where_none_is_needed(house: House) -> None:
    def refused(route: tuple[str, str]) -> None:
        method, path = route
        concrete = path.replace("{", "").replace("}", "")
        answer = house.ask(method, concrete, {}, user="", raw=True, apikey="ge_wrong")
        assert answer.status in (401, 429), (method, path)
        assert answer.code in (8002, 8004)

    with ThreadPoolExecutor(40) as pool:  # whoever is refused so often is answered slowly
        list(pool.map(refused, {one for one in routes(house) if one[1] != "/rest/session"}))


def test_no_route_tells_or_changes_anothers_execution(house: House, bobs: str) -> None:
    asked = {(method, path) for method, path in routes(house) if "{id_}" in path and "examples" not in path}
    assert len(asked) > 12
    for method, path in asked:
        concrete = path.replace("{id_}", bobs).replace("{number}", "0")
        body = {"deleteFiles": True, "name": "mine"} if method == "PUT" else None
        for user in ("ann", "carl"):
            answer = house.ask(method, concrete, body, user=user, raw=True)
            assert (answer.status, answer.code) == (400, 8015), (method, path, answer)
    assert house.told(bobs, user="bob")["name"] == "a test"
    assert bobs not in [one["identifier"] for one in house.ok("GET", "/executions").json]


def test_an_administrator_sees_every_execution_and_a_service_only_how_it_stands(
    house: House, bobs: str
) -> None:
    assert house.told(bobs, user="root")["returnedFiles"]
    summary = house.ok("GET", f"/executions/{bobs}/summary", user="watcher").json
    assert (summary["status"], summary["inputValues"], summary["returnedFiles"]) == ("Finished", None, None)
    told = house.ok("GET", f"/executions/{bobs}", user="watcher").json  # Shanoir's service account asks this
    assert (told["status"], told["returnedFiles"], told["resultsLocation"]) == ("Finished", None, None)
    assert set(told["inputValues"].values()) == {""}
    assert house.ask("PUT", f"/executions/{bobs}/kill", user="watcher").code == 8015


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("/vip/Home/none.txt", 8009),
        ("/etc/passwd", 8013),
        ("file:/etc/passwd", 8013),
        ("file:///etc/passwd", 8013),
        ("/vip/users/{bob}/home/in.txt", 8013),
        ("/vip/Home/../../{bob}/home/in.txt", 8013),
        ("http://127.0.0.1:1/latest/meta-data", 8013),
        ("https://example.org/x", 8013),
        ("girder:/x?apiurl=http://127.0.0.1", 8009),
        ("girder:/x?apiurl=http://127.0.0.1&fileId=1&token=x", 8009),
        ("lfn:/grid/x", 8013),
        ("s3://bucket/key", 8013),
        ("in.txt", 8013),
        ("", 8009),
        ("/vip", 8013),
        ("/vip/Home/a\u0000b", 8009),
        ("/vip/Home/\ud800", 8009),
    ],
)
def test_an_input_is_a_file_of_ones_own_or_of_a_registered_platform(
    house: House, bobs: str, value: str, code: int
) -> None:
    answer = house.launch("copier/1.0", {"file": value.replace("{bob}", house.ids["bob"])})
    assert (answer.status, answer.code) == (400, code), answer
    assert str(house.desk.home) not in answer.body.decode()
    swept = house.launch("copier/1.0", {"file": ["/vip/Home", value]})
    assert swept.status == 400


@pytest.mark.parametrize(
    "location",
    ["/etc", "/vip", "/vip/users/x", "/vip/Home/../x", "/vip/other (group)", "file:/tmp", "http://x/y", "x"],
)
def test_results_go_to_a_place_of_ones_own(house: House, location: str) -> None:
    house.put("/vip/Home/in.txt", b"x")
    answer = house.launch("copier/1.0", {"file": "/vip/Home/in.txt"}, resultsLocation=location)
    assert (answer.status, answer.code) == (400, 8013)


def test_sweeps_that_read_files_of_the_server_are_not_for_users(house: House) -> None:
    for values in (
        {"$sweep": {"cross": {"word": {"lines": "/etc/passwd"}}}},
        {"file": "/vip/Home", "$sweep": {"cross": {"file": {"glob": "/etc/*"}}}},
        {"file": "/vip/Home", "word": {"lines": "/etc/passwd"}},
    ):
        answer = house.launch("copier/1.0", values)
        assert (answer.status, answer.code) == (400, 8009)
        assert "root:" not in answer.body.decode()


def test_a_pipeline_of_a_group_is_for_its_members(house: House) -> None:
    descriptor = {
        "name": "members",
        "tool-version": "1.0",
        "description": "For few",
        "schema-version": "0.5",
        "command-line": "true",
        "inputs": [{"id": "x", "name": "x", "type": "String", "optional": True}],
    }
    house.engine("pipeline", "add", house.desk.write("m.json", descriptor), "--group", "brain team")

    def seen(user: str) -> list[str]:
        return [one["identifier"] for one in house.ok("GET", "/pipelines", user=user).json]

    assert "members/1.0" in seen("ann")
    assert "members/1.0" not in seen("bob")
    assert house.ask("GET", "/pipelines/members/1.0", user="bob").code == 8008
    assert house.launch("members/1.0", {}, user="bob").code == 8008
    public = house.ok("GET", "/pipelines?public", user="").json
    assert "members/1.0" not in [one["identifier"] for one in public]
    assert {one["canExecute"] for one in public} == {False}


def test_a_revoked_key_and_a_locked_account_open_nothing(house: House) -> None:
    key = house.engine("user", "key", "carl", "--name", "lost").out.strip()
    assert house.ask("GET", "/executions", user="", apikey=key).status == 200
    assert house.ask("GET", "/executions", user="", Authorization=f"apikey {key}").status == 200
    house.engine("user", "revoke", "carl", "--name", "lost")
    assert house.ask("GET", "/executions", user="", apikey=key).code in (8002, 8004)
    house.engine("user", "lock", "carl")
    assert house.ask("GET", "/executions", user="carl").code in (8002, 8004)
    house.engine("user", "unlock", "carl")


def test_an_administrator_makes_groups_and_users_with_commands(house: House) -> None:
    house.engine("user", "group", "add", "new team")
    made = house.engine("user", "add", "dora", "--group", "new team", "--json").value
    assert "dora" in [one["name"] for one in house.engine("user", "list", "--json").values]
    listed = house.ask("GET", "/path/vip?action=list", user="", apikey=made["key"]).json
    assert "/vip/new team (group)" in [one["path"] for one in listed]


def test_keys_are_stored_by_their_hash_alone(house: House) -> None:
    content = b"".join(path.read_bytes() for path in house.desk.home.rglob("engine.db*"))
    assert not [name for name, key in house.keys.items() if key.encode() in content]


def test_a_key_in_a_url_is_refused_and_not_written_down(house: House) -> None:
    key = house.keys["ann"]
    answer = house.ask("GET", f"/executions?apikey={key}", user="")
    assert (answer.status, answer.code) == (400, 8002)
    assert key not in house.log.read_text()


def test_the_audit_trail_tells_of_refusals_and_names_no_file(house: House, bobs: str) -> None:
    house.ask("GET", "/path/vip/users/other", user="bob")
    house.put("/vip/Home/Jane Doe 1960.txt".replace(" ", "%20"), b"x")
    told = house.run("copier/1.0", {"file": "/vip/Home/Jane Doe 1960.txt", "word": "smith"})
    id_ = told["identifier"]

    def lines() -> list[dict[str, str]]:
        return [json.loads(line) for line in house.engine("audit", "list").out.splitlines()]

    until(lambda: [one for one in lines() if one["action"] == "end" and one["execution"] == id_])
    mine = [one for one in lines() if one["account"] == house.ids["ann"]]
    assert {"launch", "end"} <= {one["action"] for one in mine}
    bobs_lines = [one for one in lines() if one["account"] == house.ids["bob"]]
    assert ("GET path", "refused 400 8013") in {(one["action"], one["status"]) for one in bobs_lines}
    text = house.engine("audit", "list").out
    assert not [word for word in ("Jane", "smith", "in.txt", "ann") if word in text]
    house.engine("audit", "verify")


def test_passwords_open_a_session_that_dies_with_them(house: House) -> None:
    _set_password(house, "correct horse battery")
    _set_password(house, "another horse battery")
    assert house.ask("POST", "/authenticate", {"username": "bob", "password": "x"}, user="").code == 8002
    good = house.ok(
        "POST", "/authenticate", {"username": "bob", "password": "another horse battery"}, user=""
    ).json
    assert good["httpHeader"] == "apikey"
    session = good["httpHeaderValue"]
    assert house.ask("GET", "/executions", user="", apikey=session).status == 200
    assert house.ask("GET", "/executions", user="", apikey=session[:-1] + "x").status in (401, 429)
    _set_password(house, "third horse battery")
    assert house.ask("GET", "/executions", user="", apikey=session).status in (401, 429)


def _set_password(house: House, text: str) -> None:
    path = house.desk.directory / "password"
    path.write_text(f"{text}\n")
    with path.open() as file:
        house.desk.ok("user", "password", "bob", stdin=file, variables=dict(house.variables))
