"""The engine's own routes of executions: who may ask what, and what is shown of this machine."""

from __future__ import annotations

import pytest

from tests.portal.house import House

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def execution(house: House) -> str:
    """An execution of ann's that has ended, with one job that failed."""
    return str(house.run("failer/1.0", {"code": ["0", "3"]})["identifier"])


def test_own_executions_are_shown_and_those_of_others_are_not(house: House, execution: str) -> None:
    below = f"/engine/executions/{execution}"
    shown = house.ok("GET", below).json
    assert (shown["id"], shown["owner"], shown["state"], shown["title"]) == (
        *(execution, "ann", "partial"),
        "a test",
    )
    asked = [
        *(
            ("GET", f"{below}{rest}")
            for rest in ("", "/jobs", "/jobs/1", "/jobs/1/history", "/jobs/1/log", "/results")
        ),
        *(("POST", f"{below}/{deed}") for deed in ("cancel", "pause", "resume", "retry")),
    ]
    for method, path in asked:
        body: dict[str, str] | None = {} if method == "POST" else None
        for user in ("bob", "watcher"):
            refused = house.ask(method, path, body, user)
            assert (refused.status, refused.code) == (400, 8015), (path, user)
        assert house.ask(method, path, body, user="").status == 401
        assert method == "POST" or house.ask(method, path, user="root").status == 200
    for query in ("", f"?starting={execution[:20]}", f"?starting={execution}"):
        assert execution in [one["id"] for one in house.ok("GET", f"/engine/executions{query}").json]
        assert execution not in str(house.ok("GET", f"/engine/executions{query}", user="bob").json)
    assert house.ok("GET", f"/engine/executions?starting={execution}&before={execution}").json == []


def test_what_is_asked_in_a_wrong_way_is_refused(house: House, execution: str) -> None:
    below = f"/engine/executions/{execution}"
    for number in ("0", "-1", "3", "9" * 30):
        assert house.ask("GET", f"{below}/jobs/{number}").status == 404
        assert house.ask("GET", f"{below}/jobs/{number}/log").status == 404
    assert house.ok("GET", f"{below}/jobs/2/log?attempt=9").body == b""
    assert house.ok("GET", f"{below}/jobs/2/log?stream=err&offset=3").body == b"hing\n"
    assert house.ok("GET", f"{below}/jobs/2/log?offset=1000000000000").body == b""
    assert house.ask("GET", f"{below}/jobs/2/log?stream=debug").status == 400
    house.ok("GET", f"{below}/jobs/2/log?stream=debug", user="root")
    for wrong in ({"states": ["succeeded"]}, {"states": ["running"]}, {"number": -1}, {"other": 1}):
        assert house.ask("POST", f"{below}/retry", wrong).status == 400
    assert house.ok("POST", f"{below}/retry", {"number": 1}).json == {"jobs": 0}
    for deed in ("cancel", "pause", "resume"):
        assert house.ok("POST", f"{below}/{deed}", {}).json == {"asked": False}


def test_pages_follow_each_other_and_nothing_tells_of_the_machine(house: House, execution: str) -> None:
    below = f"/engine/executions/{execution}"
    first = house.ok("GET", f"{below}/jobs?limit=1").json
    second = house.ok("GET", f"{below}/jobs?limit=1&after={first['next']}").json
    assert [one["number"] for one in (*first["items"], *second["items"])] == [1, 2]
    assert [one["number"] for one in house.ok("GET", f"{below}/jobs?state=failed").json["items"]] == [2]
    house.put("/vip/Home/own.txt", b"x")
    made = house.run("copier/1.0", {"file": "/vip/Home/own.txt"}, resultsLocation="/vip/Home/own")[
        "identifier"
    ]
    told = [
        house.ok("GET", f"/engine/executions/{id_}{rest}").body.decode()
        for id_ in (execution, made)
        for rest in ("", "/jobs", "/jobs/1", "/jobs/1/history", "/results")
    ]
    assert str(house.desk.home) not in "".join(told)
    [result] = house.ok("GET", f"/engine/executions/{made}/results").json["items"]
    assert house.read(result["url"]) == b"x\n"


def test_who_asks_for_the_end_of_an_execution_is_in_the_audit_trail(house: House) -> None:
    id_ = house.start("waiter/1.0", {"gate": "/nowhere"})
    assert house.ok("POST", f"/engine/executions/{id_}/cancel", {}, user="root").json == {"asked": True}
    house.ended(id_)
    lines = [one for one in house.engine("audit", "list").values if one["execution"] == id_]
    assert [(one["account"], one["action"]) for one in lines if one["action"] == "kill"] == [
        (house.ids["root"], "kill")
    ]
