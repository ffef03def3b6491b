"""Pipelines that users propose, and administrators publish or refuse: here and elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.desk import Ran
from tests.portal.house import COPIER, GROUP, House

pytestmark = pytest.mark.whole

DIGEST = "sha256:" + "ab" * 32
TOOL = {
    **COPIER,
    "author": "A. Nobody",
    "container-image": {"type": "docker", "image": f"busybox@{DIGEST}"},
    "tests": [
        {
            "name": "a word\x1b[2J",
            "invocation": {"file": "here/a.txt", "word": "two words"},
            "assertions": {"exit-code": 0, "output-files": [{"id": "copy", "md5-reference": "0" * 32}]},
        },
        {"name": "wrong", "invocation": {"word": "alone"}, "assertions": {"exit-code": 1}},
    ],
}


def there(house: House, *words: Any, user: str = "ann") -> Ran:
    """`engine --server URL pipeline ...` of a user."""
    variables = {"ENGINE_KEY": house.keys[user]}
    return house.desk.run("--server", house.url, "pipeline", *words, variables=variables)


def proposed(house: House, name: str) -> str:
    """The id of a proposal of ann's."""
    return str(house.ok("POST", "/proposals", {"descriptor": {**TOOL, "name": name}}).json["id"])


def mine(house: House, id_: str) -> Any:
    [found] = [one for one in house.ok("GET", "/proposals").json if one["id"] == id_]
    return found


def test_a_proposal_is_looked_at_published_and_used(house: House) -> None:
    file = house.desk.write("first.json", {**TOOL, "name": "first"})
    ran = there(house, "propose", file, "--note", "please\nsoon")
    assert (ran.code, "engine: warning: " in ran.err) == (0, True)
    id_ = ran.out.strip()
    assert mine(house, id_)["state"] == "open"
    shown = house.engine("pipeline", "proposal", id_).out
    assert shown == there(house, "proposal", id_, user="root").out
    for words in (
        "pipeline  first/1.0\n",
        "note      please soon\n",
        "image     docker: busybox@",
        f"          {DIGEST}\n",
        "command   cat [FILE] > out.txt && echo [WORD]",
        "input     file (File)\n",
        "output    copy: out.txt\n",
        "cat a.txt > out.txt && echo 'two words'",
        "            copy with md5 0000",
        "test      wrong: ",
        "warning: ",
    ):
        assert words in shown
    assert "\x1b" not in shown
    sha256 = mine(house, id_)["descriptor_sha256"]
    assert f"sha256 {sha256}" in shown
    descriptor = house.engine("pipeline", "proposal", id_, "--descriptor").value
    assert descriptor == {**TOOL, "name": "first"}
    assert there(house, "accept", id_, "--group", GROUP, user="root").out == "first/1.0\n"
    told = mine(house, id_)
    assert (told["state"], told["answer"]) == ("published", "first/1.0")
    listed = {one["identifier"]: one for one in house.engine("pipeline", "list", "--json").values}
    assert (listed["first/1.0"]["groups"], listed["first/1.0"]["descriptor"]) == ([GROUP], sha256)
    assert id_ not in {one["id"] for one in house.ok("GET", "/admin/proposals", user="root").json}
    assert id_ in house.engine("pipeline", "proposals", "--all").out
    lines = [(one["action"], one["account"]) for one in house.engine("audit", "list").values][-2:]
    assert lines == [("proposal.add", house.ids["ann"]), ("pipeline.add", house.ids["root"])]


def test_a_proposal_is_refused_with_words_or_withdrawn_and_then_decided_no_more(house: House) -> None:
    refused, withdrawn = proposed(house, "bad"), proposed(house, "mistaken")
    assert there(house, "unpropose", refused, user="bob").code == 2  # another's
    assert house.desk.run("pipeline", "refuse", refused, "--why", " ").code == 2
    house.engine("pipeline", "refuse", refused, "--why", "it has no manual")
    told = mine(house, refused)
    assert (told["state"], told["answer"]) == ("refused", "it has no manual")
    assert there(house, "unpropose", withdrawn).code == 0
    for id_, state in ((refused, "refused"), (withdrawn, "withdrawn")):
        for method, path, body in (
            ("POST", f"/admin/proposals/{id_}/publish", {}),
            ("POST", f"/admin/proposals/{id_}/refuse", {"reason": "x"}),
        ):
            answer = house.ask(method, path, body, user="root")
            assert (answer.status, f"is {state} already" in answer.json["errorMessage"]) == (400, True)
        assert house.ask("DELETE", f"/proposals/{id_}").status == 400


def test_only_administrators_see_and_decide(house: House) -> None:
    id_ = proposed(house, "of ann")
    ran = there(house, "accept", id_)
    assert (ran.code, "only administrators may do this" in ran.err) == (2, True)
    for method, path, body in (
        ("GET", "", None),
        ("GET", f"/{id_}", None),
        ("POST", f"/{id_}/publish", {}),
        ("POST", f"/{id_}/refuse", {"reason": "x"}),
    ):
        for user, status in (("ann", 403), ("watcher", 403), ("", 401)):
            assert house.ask(method, f"/admin/proposals{path}", body, user=user).status == status
    assert mine(house, id_)["state"] == "open"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"descriptor": {"name": "x"}}, "descriptor"),
        ({"descriptor": {**TOOL, "command-line": 7}}, "command-line"),
        ({"descriptor": []}, "descriptor"),
        ({"identifier": "a/../b"}, "is no identifier of a pipeline"),
        ({"identifier": "zenodo.7"}, "is no identifier of a pipeline"),
        ({"note": "\0"}, "note: a text"),
        ({"note": "\ud800"}, "no Unicode"),
        ({"note": "x" * 2001}, "note: a text of at most 2000 characters"),
    ],
)
def test_what_could_not_be_published_is_not_taken(house: House, changes: dict[str, Any], words: str) -> None:
    before = house.ok("GET", "/proposals", user="carl").json
    answer = house.ask("POST", "/proposals", {"descriptor": TOOL, **changes}, user="carl")
    assert answer.status == 400, answer
    assert words in answer.json["errorMessage"]
    assert house.ok("GET", "/proposals", user="carl").json == before


@pytest.mark.parametrize("id_", ["nobody", "%00", "a%2Fb", "%ED%A0%80", "x" * 300])
def test_a_proposal_that_is_not_there(house: House, id_: str) -> None:
    for method, path, body in (
        ("GET", f"/admin/proposals/{id_}", None),
        ("POST", f"/admin/proposals/{id_}/publish", {}),
        ("POST", f"/admin/proposals/{id_}/refuse", {"reason": "x"}),
        ("DELETE", f"/proposals/{id_}", None),
    ):
        assert house.ask(method, path, body, user="root").status in (400, 404)


def test_a_proposal_of_what_is_there_says_so_and_replaces_nothing_unasked(house: House) -> None:
    house.run("failer/1.0", {"code": "0"})
    used, unused = proposed(house, "failer"), proposed(house, "packer")
    assert (
        "(there is a pipeline that was used, and is never replaced)"
        in house.engine("pipeline", "proposal", used).out
    )
    assert "(there is a pipeline that was never used)" in house.engine("pipeline", "proposal", unused).out
    for id_ in (used, unused):
        assert house.ask("POST", f"/admin/proposals/{id_}/publish", {}, user="root").status == 400
        assert mine(house, id_)["state"] == "open"
    assert house.engine("pipeline", "accept", used, "--as", "failer/2.0").out == "failer/2.0\n"
    assert there(house, "accept", unused, "--replace", user="root").out == "packer/1.0\n"


def test_nobody_fills_the_table_of_proposals(house: House) -> None:
    file = house.desk.write("many.json", TOOL)
    for number in range(20):
        house.ok("POST", "/proposals", {"descriptor": TOOL, "identifier": f"m/{number}"}, user="bob")
    ran = there(house, "propose", file, user="bob")
    assert (ran.code, "20 proposals of yours wait for an administrator" in ran.err) == (2, True)
    [first, *_] = there(house, "proposals", "--mine", "--json", user="bob").values
    assert there(house, "unpropose", first["id"], user="bob").code == 0
    assert there(house, "propose", file, user="bob").code == 0


def test_on_this_machine_nobody_proposes(house: House) -> None:
    ran = house.desk.run("pipeline", "propose", house.desk.write("here.json", json.dumps(TOOL)))
    assert (ran.code, "users of a platform: --server URL" in ran.err) == (2, True)
