"""Pipelines, managed through the interface by administrators and by nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.client import Client
from engine.errors import BadRequest, NotFound
from tests.portal.house import COPIER, FAILER, House

pytestmark = pytest.mark.whole


def descriptor(name: str, **more: Any) -> dict[str, Any]:
    return {**FAILER, "name": name, **more}


def seen(house: House, user: str) -> list[str]:
    return [one["identifier"] for one in house.ok("GET", "/pipelines", user=user).json]


def test_an_administrator_adds_shares_and_withdraws_a_pipeline(house: House) -> None:
    wanted = {"descriptor": descriptor("by http"), "groups": ["brain team"]}
    made = house.ok("POST", "/admin/pipelines", wanted, user="root")
    assert made.status == 201
    assert (made.json["identifier"], made.json["groups"]) == ("by http/1.0", ["brain team"])
    assert ("by http/1.0" in seen(house, "ann"), "by http/1.0" in seen(house, "bob")) == (True, False)
    shared = house.ok("PUT", "/admin/pipelines/by%20http/1.0", {"groups": []}, user="root").json
    assert shared["groups"] == []
    assert house.run("by http/1.0", {"code": "0"}, user="bob")["status"] == "Finished"
    listed = {one["identifier"]: one for one in house.ok("GET", "/admin/pipelines", user="root").json}
    assert listed["by http/1.0"]["descriptor"] == made.json["descriptor"]
    assert house.ok("DELETE", "/admin/pipelines/by%20http%2F1.0", user="root").status == 204
    assert "by http/1.0" not in seen(house, "root")
    assert house.launch("by http/1.0", {"code": "0"}, user="bob").code == 8007
    lines = [json.loads(line) for line in house.engine("audit", "list").out.splitlines()]
    mine = [one["action"] for one in lines if one["pipeline"] == "by http/1.0" and one["action"] != "end"]
    assert mine == ["pipeline.add", "pipeline.share", "launch", "pipeline.withdraw"]


@pytest.mark.parametrize("user", ["ann", "watcher"])
def test_nobody_else_does_any_of_it(house: House, user: str) -> None:
    wanted = {"descriptor": descriptor("mine")}
    for method, path, body in (
        ("GET", "/admin/pipelines", None),
        ("POST", "/admin/pipelines", wanted),
        ("PUT", "/admin/pipelines/copier/1.0", {"groups": ["brain team"]}),
        ("DELETE", "/admin/pipelines/copier/1.0", None),
    ):
        answer = house.ask(method, path, body, user=user)
        assert (answer.status, answer.code) == (403, 8008), (method, path)
    assert "copier/1.0" in seen(house, "bob")
    assert "mine/1.0" not in seen(house, "root")


def test_a_pipeline_that_was_used_is_not_changed_through_it_either(house: House) -> None:
    house.run("failer/1.0", {"code": "0"})
    changed = {"descriptor": descriptor("failer", description="Another")}
    answer = house.ask("POST", "/admin/pipelines", changed, user="root")
    assert (answer.status, answer.code) == (400, 8000)
    assert "was used already" in answer.json["errorMessage"]


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({}, 400),
        ({"descriptor": []}, 400),
        ({"descriptor": {}}, 400),
        ({"descriptor": {"name": "x"}}, 400),
        ({"descriptor": {**COPIER, "name": "a/b"}}, 400),
        ({"descriptor": {**COPIER, "name": "a\u0000b"}}, 400),
        ({"descriptor": {**COPIER, "name": "\ud800"}}, 400),
        ({"descriptor": COPIER, "groups": ["none"]}, 404),
        ({"descriptor": COPIER, "groups": ["\u0000"]}, 404),
        ({"descriptor": COPIER, "groups": "brain team"}, 400),
    ],
)
def test_what_is_no_pipeline_is_refused(house: House, document: dict[str, Any], status: int) -> None:
    answer = house.ask("POST", "/admin/pipelines", document, user="root")
    assert answer.status == status
    assert answer.code in (8000, 8009)


@pytest.mark.parametrize("identifier", ["none/1.0", "noslash", "a%00b/1", "%ff/1", "../../x"])
def test_what_is_not_there_is_neither_shared_nor_withdrawn(house: House, identifier: str) -> None:
    assert house.ask("PUT", f"/admin/pipelines/{identifier}", {"groups": []}, user="root").status == 404
    assert house.ask("DELETE", f"/admin/pipelines/{identifier}", user="root").status == 404


def test_the_python_client_and_the_remote_command_line_do_the_same(house: House) -> None:
    with Client(house.url, house.keys["root"]) as client:
        made = client.publish(descriptor("by client"), ["brain team"])
        assert made["identifier"] == "by client/1.0"
        client.share("by client/1.0", [])
        [mine] = [one for one in client.published() if one["identifier"] == "by client/1.0"]
        assert mine["groups"] == []
        client.withdraw("by client/1.0")
        with pytest.raises(NotFound):
            client.withdraw("none/1.0")
    with (
        Client(house.url, house.keys["ann"]) as other,
        pytest.raises(BadRequest, match="administrators"),
    ):
        other.published()
    variables = {"ENGINE_KEY": house.keys["root"]}
    desk = house.desk

    def engine(*words: str) -> str:
        return str(desk.ok("--server", house.url, "pipeline", *words, variables=variables).out)

    file = desk.write("cli.json", descriptor("by cli"))
    assert engine("add", file, "--group", "brain team") == "by cli/1.0\n"
    engine("share", "by cli/1.0")
    assert "by cli/1.0" in engine("list")
    assert json.loads(engine("list", "--json").splitlines()[0])["groups"] == []
    engine("withdraw", "by cli/1.0")
    assert "by cli/1.0" not in engine("list")
    house.engine("pipeline", "share", "copier/1.0")
