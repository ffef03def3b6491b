"""Pipelines are never replaced unasked, and whatever is offered can be reached by every client."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest

from engine.client import Client
from tests.cli.desk import Ran
from tests.portal.client import with_vip_client
from tests.portal.house import COPIER, FAILER, House

pytestmark = pytest.mark.whole

UNREACHABLE = ["..", ".", "h#", "q?x", "100%", "a%2Fb", "a\\b", " a", "a ", "a\tb", "e\u0301", ""]
UNREACHABLE_VERSIONS = ["..", ".", "1#", "1?", "1/2", "boutiquesdescriptor", "v.json", "1 ", "1%20", ""]


def named(name: str, version: str = "1.0", **more: Any) -> dict[str, Any]:
    return {**FAILER, "name": name, "tool-version": version, **more}


def add(house: House, document: dict[str, Any], *words: str) -> Ran:
    """`engine pipeline add`, as the administrator types it."""
    file = house.desk.write("new.json", document)
    return house.desk.run("pipeline", "add", file, *words, variables=dict(house.variables))


def digest(house: House, identifier: str) -> str:
    lines = house.engine("pipeline", "list", "--json").values
    [found] = [one["descriptor"] for one in lines if one["identifier"] == identifier]
    return str(found)


def test_another_descriptor_of_the_same_name_and_version_is_refused_until_that_is_asked_for(
    house: House,
) -> None:
    assert add(house, named("twice")).code == 0
    before = digest(house, "twice/1.0")
    other = named("twice", description="Another tool of the same name")
    ran = add(house, other)
    assert (ran.code, ran.out) == (2, "")
    assert "pipeline twice/1.0 exists already, with another descriptor" in ran.err
    assert "--replace" in ran.err
    assert "--as NAME/VERSION" in ran.err
    assert digest(house, "twice/1.0") == before
    assert add(house, other, "--as", "twice/1.0-other").out == "twice/1.0-other\n"
    assert digest(house, "twice/1.0") == before
    assert add(house, other, "--replace").out == "twice/1.0\n"
    assert digest(house, "twice/1.0") == digest(house, "twice/1.0-other") != before


def test_what_was_used_is_not_replaced_even_when_that_is_asked_for(house: House) -> None:
    assert add(house, named("used")).code == 0
    assert house.run("used/1.0", {"code": "0"})["status"] == "Finished"
    ran = add(house, named("used", description="Another"), "--replace")
    assert (ran.code, "was used already" in ran.err) == (2, True)


def test_a_pipeline_of_a_group_is_not_opened_to_everybody_by_adding_it_again(house: House) -> None:
    assert add(house, named("closed"), "--group", "brain team").code == 0
    ran = add(house, named("closed"))
    assert ran.code == 2
    assert "engine pipeline share" in ran.err
    assert "closed/1.0" not in [one["identifier"] for one in house.ok("GET", "/pipelines", user="bob").json]
    assert add(house, named("closed"), "--group", "brain team").code == 0, "the same again changes nothing"


def test_what_was_withdrawn_comes_back_as_it_was_and_as_nothing_else(house: House) -> None:
    assert add(house, named("gone")).code == 0
    house.engine("pipeline", "withdraw", "gone/1.0")
    ran = add(house, named("gone", description="Another"))
    assert (ran.code, "it was withdrawn" in ran.err) == (2, True)
    assert add(house, named("gone")).out == "gone/1.0\n"


@pytest.mark.parametrize(
    "identifier",
    [f"{name}/1.0" for name in UNREACHABLE] + [f"x/{version}" for version in UNREACHABLE_VERSIONS],
)
def test_an_identifier_that_no_client_can_reach_is_refused(house: House, identifier: str) -> None:
    name, _, version = identifier.partition("/")
    for wanted in (
        {"descriptor": named("x"), "identifier": identifier},
        {"descriptor": named(name, version)},
    ):
        answer = house.ask("POST", "/admin/pipelines", wanted, user="root")
        assert answer.status == 400, wanted
    assert identifier not in [one["identifier"] for one in house.ok("GET", "/pipelines").json]


def test_such_a_descriptor_is_offered_under_another_name(house: House) -> None:
    ran = add(house, named("h#"))
    assert (ran.code, ran.out) == (2, "")
    assert "# changes the meaning of a URL" in ran.err
    assert "--as NAME/VERSION" in ran.err
    assert add(house, named("h#"), "--as", "h sharp/1.0").out == "h sharp/1.0\n"
    assert house.run("h sharp/1.0", {"code": "0"})["status"] == "Finished"


def test_a_doi_of_zenodo_is_no_name_for_a_pipeline(house: House) -> None:
    ran = add(house, named("10.5281", "zenodo.7"))
    assert (ran.code, "looked up there" in ran.err) == (2, True)


def test_the_remote_commands_and_the_interface_replace_nothing_either(house: House) -> None:
    desk, variables = house.desk, {"ENGINE_KEY": house.keys["root"]}

    def remote(document: dict[str, Any], *words: str) -> Ran:
        file = desk.write("new.json", document)
        return desk.run("--server", house.url, "pipeline", "add", file, *words, variables=variables)

    assert remote(named("remote")).out == "remote/1.0\n"
    other = named("remote", description="Another")
    ran = remote(other)
    assert (ran.code, "exists already" in ran.err) == (2, True)
    assert remote(other, "--as", "remote/2.0").out == "remote/2.0\n"
    assert remote(other, "--replace").out == "remote/1.0\n"
    assert remote(named("h#")).code == 2
    answer = house.ask("POST", "/admin/pipelines", {"descriptor": named("remote")}, user="root")
    assert (answer.status, answer.code) == (400, 8000)


@pytest.mark.service
def test_every_name_of_one_character_that_is_accepted_is_reached_by_the_real_client(
    house: House, tmp_path: Any
) -> None:
    accepted = []
    for one in string.punctuation + "é漢 ":
        body = {"descriptor": COPIER, "identifier": f"a{one}b/1{one}0", "replace": True}
        answer = house.ask("POST", "/admin/pipelines", body, user="root")
        if answer.status == 201:
            accepted.append(answer.json["identifier"])
    refused = {one for one in string.punctuation if f"a{one}b/1{one}0" not in accepted}
    assert refused == set("#?%\\/")
    script = f"""
import json
vip.set_vip_url(URL)
vip.setApiKey(KEY)
print(json.dumps([vip.pipeline_def(one)["identifier"] for one in {accepted!r}]))
"""
    reached = json.loads(with_vip_client(house, script, tmp_path).splitlines()[-1])
    assert reached == accepted
    with Client(house.url, house.keys["ann"]) as client:
        assert [client.pipeline(one)["identifier"] for one in accepted] == accepted
