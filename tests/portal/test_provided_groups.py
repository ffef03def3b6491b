"""Groups that an identity provider names, by a real daemon and real tokens."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from engine.app.portal.entitlements import GroupMap
from engine.clock import SystemClock
from tests.cli.desk import Desk, desk_in, until
from tests.portal.house import COPIER, GROUP, House, portal
from tests.portal.provider import Provider

pytestmark = pytest.mark.whole

MEMBER = "urn:mace:egi.eu:group:biomed:role=member"
MAP = {
    MEMBER: "biomed",
    "urn:mace:egi.eu:group:biomed:admins#aai.egi.eu": "admins",
    "urn:mace:egi.eu:group:vo.access": GROUP,
    "urn:mace:egi.eu:group:gone": "nobody made it",
}
SHARED = "/vip/biomed (group)".replace(" ", "%20")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider(SystemClock())
    yield provider
    provider.stop()


def issuers(provider: Provider, **groups: Any) -> str:
    return json.dumps({"egi": {"url": provider.url, "audience": "engine", "groups": groups}})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[House]:
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, {"ENGINE_PORTAL__ISSUERS": issuers(provider, map=MAP)}) as house,
    ):
        for name in ("biomed", "admins"):
            house.engine("user", "group", "add", name)
        house.ok(
            "POST",
            "/admin/pipelines",
            {"descriptor": {**COPIER, "name": "of biomed"}, "groups": ["biomed"]},
            "root",
        )
        yield house
        assert "Traceback" not in house.log.read_text()


class Person:
    """Somebody whom the provider knows."""

    def __init__(self, house: House, provider: Provider) -> None:
        self.house, self.provider = house, provider
        self.name = f"zoe{next(_numbers)}"

    def token(self, entitlements: Any, ago: float = 0, **more: Any) -> str:
        claims = {"entitlements": entitlements, "iat": int(time.time() - ago), **more}
        return self.provider.token(sub=self.name, preferred_username=self.name, **claims)

    def ask(
        self, token: str, method: str = "GET", path: str = "/path/vip?action=list", body: Any = None
    ) -> Any:
        return self.house.ask(method, path, body, user="", Authorization=f"Bearer {token}")

    def groups(self, entitlements: Any, ago: float = 0, **more: Any) -> set[str]:
        """The directories of groups that are there once this was shown."""
        answer = self.ask(self.token(entitlements, ago, **more))
        assert answer.status == 200, answer
        names = {one["path"].rpartition("/")[2] for one in answer.json}
        return {name.removesuffix(" (group)") for name in names if name.endswith("(group)")}

    def told(self) -> Any:
        """What an administrator sees of it."""
        [found] = [
            one for one in self.house.engine("user", "list", "--json").values if one["name"] == self.name
        ]
        return found


@pytest.fixture
def zoe(house: House, provider: Provider) -> Person:
    return Person(house, provider)


def test_a_group_comes_with_a_token_and_goes_with_the_next_one(house: House, zoe: Person) -> None:
    assert zoe.groups([f"{MEMBER}#aai.egi.eu", "urn:mace:egi.eu:group:other:role=member"], ago=9) == {
        "biomed"
    }
    [group] = zoe.told()["groups"]
    assert (group["name"], group["issuer"]) == ("biomed", zoe.provider.url)
    assert "biomed (of its provider)" in house.engine("user", "list").out
    assert zoe.groups([]) == set()
    assert zoe.told()["groups"] == []
    actions = [(one["action"], one["status"]) for one in house.engine("audit", "list").values]
    assert actions[-2:] == [("group.join", "provider"), ("group.leave", "provider")]


def test_a_claim_that_is_not_there_is_no_group(zoe: Person) -> None:
    assert zoe.groups([MEMBER]) == {"biomed"}
    assert zoe.groups(None) == set()


def test_an_older_token_brings_back_nothing(zoe: Person) -> None:
    assert zoe.groups([MEMBER], ago=100) == {"biomed"}
    assert zoe.groups([]) == set()
    assert zoe.groups([MEMBER], ago=50) == set()


def test_a_token_of_tomorrow_or_without_a_time_holds_up_none_after_it(zoe: Person) -> None:
    assert zoe.groups([MEMBER], ago=-30) == {"biomed"}
    assert zoe.groups([], iat=None) == set()
    assert zoe.groups([MEMBER], iat=None) == {"biomed"}
    assert zoe.groups([], iat=-(10**400)) == {"biomed"}


def test_what_an_administrator_gave_stays(house: House, zoe: Person) -> None:
    zoe.groups([])
    house.engine("user", "group", "join", "admins", zoe.name)
    assert zoe.groups([MEMBER]) == {"admins", "biomed"}
    house.engine("user", "group", "join", "biomed", zoe.name)  # what the provider said is by hand now
    assert zoe.groups([]) == {"admins", "biomed"}
    house.engine("user", "group", "leave", "biomed", zoe.name)
    assert zoe.groups([]) == {"admins"}


def test_what_the_provider_says_is_not_taken_away_by_hand(house: House, zoe: Person) -> None:
    zoe.groups([MEMBER])
    ran = house.desk.run("user", "group", "leave", "biomed", zoe.name, variables=dict(house.variables))
    assert (ran.code, ran.out) == (2, "")
    assert f"because {zoe.provider.url} says so" in ran.err
    answer = house.ask("DELETE", f"/admin/groups/biomed/members/{zoe.name}", user="root")
    assert (answer.status, answer.code) == (400, 8000)
    assert zoe.groups([MEMBER]) == {"biomed"}


@pytest.mark.parametrize("claim", [7, True, {"a": MEMBER}, [[MEMBER]], [None, 1, {}], "", ["\0"]])
def test_a_claim_of_another_kind_is_no_group_and_shuts_nobody_out(zoe: Person, claim: Any) -> None:
    zoe.groups([MEMBER], ago=5)
    assert zoe.groups(claim) == set()


def test_a_claim_with_one_text_is_that_one_and_what_is_no_text_is_passed_over(
    house: House, zoe: Person
) -> None:
    assert zoe.groups(MEMBER) == {"biomed"}
    assert zoe.groups([MEMBER, 7, None]) == {"biomed"}
    until(lambda: "2 of its values are no texts" in house.log.read_text())


def test_hundreds_of_entitlements_cost_nobody_anything(zoe: Person) -> None:
    many = [f"urn:mace:egi.eu:group:vo{number}:role=member#aai.egi.eu" for number in range(700)]
    assert zoe.groups([*many, MEMBER]) == {"biomed"}
    deep = "urn:mace:egi.eu:group" + ":a" * 15_000
    assert zoe.groups([deep, MEMBER]) == {"biomed"}


def test_a_group_that_vanishes_lets_jobs_end_and_keeps_what_is_the_groups(house: House, zoe: Person) -> None:
    member = zoe.token([MEMBER], ago=20)
    assert zoe.ask(member, "PUT", f"/path{SHARED}/word", b"word").status == 201
    gate = house.desk.directory / "gate"
    values = {"name": "a run", "pipelineIdentifier": "waiter/1.0", "inputValues": {"gate": str(gate)}}
    run = zoe.ask(member, "POST", "/executions", {**values, "resultsLocation": "/vip/biomed (group)/out"})
    assert run.status == 200, run
    path = f"/executions/{run.json['identifier']}"
    former = zoe.token([])
    assert zoe.ask(former, "GET", path).json["status"] == "Running"
    gate.touch()
    until(lambda: zoe.ask(former, "GET", path).json["status"] != "Running")
    told = zoe.ask(former, "GET", path).json
    assert (told["status"], told["returnedFiles"]) == ("Finished", None)
    assert zoe.ask(former, "GET", f"{path}/results").json == []
    assert zoe.ask(former, "GET", f"/path{SHARED}/word?action=content").status == 400
    new = {
        "name": "b",
        "pipelineIdentifier": "of biomed/1.0",
        "inputValues": {"file": "/vip/biomed (group)/word"},
    }
    assert zoe.ask(former, "POST", "/executions", new).code == 8008
    again = zoe.token([MEMBER])
    [file] = zoe.ask(again, "GET", path).json["returnedFiles"]["done"]
    assert zoe.ask(again, "GET", f"/path{file}?action=content".replace(" ", "%20")).body == b"done\n"


def test_a_map_to_a_group_that_is_not_there_is_told_and_works_once_it_is(house: House, zoe: Person) -> None:
    gone = "urn:mace:egi.eu:group:gone:role=x"
    assert "there is no group 'nobody made it'" in house.log.read_text()
    told = house.desk.run("doctor", variables=dict(house.variables)).out
    assert "portal.issuers.egi.groups.map: there is no group 'nobody made it'" in told
    assert zoe.groups([gone]) == set()
    house.engine("user", "group", "add", "nobody made it")
    assert zoe.groups([gone]) == {"nobody made it"}


def test_a_group_that_is_mapped_no_more_ends_at_the_start(desk: Desk, provider: Provider) -> None:
    mapped = {"/biomed": "biomed", "/other": GROUP}

    def settings() -> Mapping[str, str]:
        return {"ENGINE_PORTAL__ISSUERS": issuers(provider, claim="groups", map=mapped)}

    with portal(desk, settings()) as house:
        house.engine("user", "group", "add", "biomed")
        zoe = Person(house, provider)
        assert zoe.groups(None, groups=["/biomed", "/other", "other"]) == {"biomed", GROUP}
        key = house.engine("user", "key", zoe.name).out.strip()
    del mapped["/biomed"]
    with portal(desk, settings()) as house:
        told = house.ask("GET", "/path/vip?action=list", user="", apikey=key).json
        assert [one["path"] for one in told if "group" in one["path"]] == [f"/vip/{GROUP} (group)"]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"claim": "roles"}, "issuers.egi.groups.claim: input should be 'entitlements'"),
        ({"map": {"a": ""}}, "issuers.egi.groups.map.a: string should have at least 1 character"),
        ({"maps": {}}, "issuers.egi.groups.maps: no such setting"),
    ],
)
def test_settings_that_cannot_be_are_told(
    desk: Desk, provider: Provider, groups: dict[str, Any], words: str
) -> None:
    file = desk.directory / "engine.yaml"
    egi = {"url": provider.url, "audience": "engine", "groups": groups}
    file.write_text(json.dumps({"portal": {"issuers": {"egi": egi}}}))
    ran = desk.run("--config", file, "user", "list")
    assert ran.code == 2
    assert words in ran.err


@pytest.mark.parametrize(
    ("key", "value", "met"),
    [
        (MEMBER, MEMBER, True),
        (MEMBER, f"{MEMBER}#aai.egi.eu", True),
        (MEMBER, f"{MEMBER}#another.example.org", True),
        (f"{MEMBER}#aai.egi.eu", f"{MEMBER}#another.example.org", False),
        (f"{MEMBER}#aai.egi.eu", MEMBER, False),
        (f"{MEMBER}#aai.egi.eu", f"{MEMBER}#aai.egi.eu", True),
        (MEMBER, "URN:MACE:EGI.EU:group:biomed:role=member", True),
        (MEMBER, "urn:mace:egi.eu:group:Biomed:role=member", False),
        (MEMBER, "urn:mace:egi.eu:group:biomed:role=member2", False),
        (MEMBER, "urn:mace:egi.eu:group:biomed", False),
        (MEMBER, "urn:mace:egi.eu:group:biomed:admins:role=member", False),
        (MEMBER, "urn:mace:egi.eu:sub:group:biomed:role=member", False),
        (MEMBER, "urn:mace:evil.eu:group:biomed:role=member", False),
        (MEMBER, "xurn:mace:egi.eu:group:biomed:role=member", False),
        (MEMBER, "urn:mace:egi.eu:group:biomed:role=member:x", False),
        ("urn:mace:egi.eu:group:biomed", "urn:mace:egi.eu:group:biomed:role=admin#a", True),
        ("urn:mace:egi.eu:group:biomed", "urn:mace:egi.eu:group:biomed:admins:role=admin", True),
        ("urn:mace:egi.eu:group:biomed", "urn:mace:egi.eu:group:biomedical", False),
        ("urn:mace:egi.eu:group:biomed:admins", "urn:mace:egi.eu:group:biomed", False),
        ("urn:x:y:group:caf%c3%a9", "urn:x:y:group:caf%C3%A9", True),
        ("urn:x:y:group:group:role=a", "urn:x:y:group:group:role=a", True),
        ("urn:x:y:group:role=a", "urn:x:y:group:role=a", True),
        ("urn:x:y:group:a:role=", "urn:x:y:group:a", False),
        ("urn:x:y:group:", "urn:x:y:group:a", False),
        ("urn:mace:dir:entitlement:common-lib-terms", "urn:mace:dir:entitlement:common-lib-terms", True),
        ("/cms", "/cms", True),
        ("/cms", "/cms/uscms", False),
        ("", "", True),
        ("/cms", "\ud800", False),
    ],
)
def test_what_meets_a_key_of_the_map(key: str, value: str, met: bool) -> None:
    assert GroupMap({key: "there"}).names([value]) == ({"there"} if met else set())
