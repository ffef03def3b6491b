"""Shanoir as a client: its requests (shanoir-ng, ExecutionServiceImpl) with tokens of a real provider, its
files from a stand-in for its own server.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from tests.cli.desk import desk_in, until
from tests.portal.house import Answer, House, portal
from tests.portal.provider import Provider
from tests.services.registry import free_port
from tests.services.shanoir_stand_in import Shanoir, start_shanoir

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider(SystemClock())
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def shanoir(provider: Provider) -> Iterator[Shanoir]:
    with start_shanoir(provider.is_good) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: Provider, shanoir: Shanoir) -> Iterator[House]:
    port = free_port()
    storage = {"url": "shanoir://shanoir.example.org", "api": shanoir.url, "refresh": f"{provider.url}/token"}
    settings = {
        "ENGINE_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ENGINE_PORTAL__ISSUERS": json.dumps({"it": {"url": provider.url, "audience": "engine"}}),
        "ENGINE_PORTAL__RUNNING": "1",
        "ENGINE_STORAGES": json.dumps({"local": storage}),
    }
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, settings, port=port) as house,
    ):
        yield house
        assert "Traceback" not in house.log.read_text()


class Platform:
    """Shanoir, in the name of one of its users."""

    def __init__(self, house: House, provider: Provider, shanoir: Shanoir, life: int = 300) -> None:
        self.house, self.provider, self.shanoir = house, provider, shanoir
        self.user = provider.token(sub="zoe", preferred_username="zoe")
        self.service = provider.token(sub="service", preferred_username="shanoir-service")
        self.ask(self.service, "GET", "/pipelines/")
        house.engine("user", "role", "shanoir-service", "service")
        provider.life = life
        self.refresh = provider.open_session()
        now = int(time.time())
        self.token = provider.token(iat=now, exp=now + life, jti=self.refresh)

    def ask(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        return self.house.ask(method, path, body, user="", Authorization=f"Bearer {token}")

    def _secrets(self) -> str:
        return f"&refreshToken={self.refresh}&clientId=shanoir&md5=none&type=File"

    def data_set(self, resource: str, content: bytes) -> str:
        """The location of a data set."""
        self.shanoir.sets[resource] = content
        name = f"resource_id+{resource}+dataset.zip"
        what = f"format=dcm&resourceId={resource}&token={self.token}&converterId=4"
        return f"local:/{name}?{what}{self._secrets()}"

    def launch(self, *values: str, pipeline: str = "copier/1.0", into: str = "7/2026-01-01") -> Answer:
        wanted = {
            "identifier": None,
            "name": "from Shanoir",
            "pipelineIdentifier": pipeline,
            "timeout": None,
            "status": None,
            "inputValues": {"file": list(values), "word": ["w"]},
            "studyIdentifier": "42",
            "resultsLocation": f"local:/{into}?token={self.token}{self._secrets()}",
            "client": "shanoir",
            "sorting": "by name",
        }
        return self.ask(self.user, "POST", "/executions/", wanted)

    def poll(self, id_: str) -> Any:
        """What its service account sees."""
        answer = self.ask(self.service, "GET", f"/executions/{id_}/")
        assert answer.status == 200, answer
        return answer.json

    def ended(self, id_: str) -> Any:
        until(lambda: self.poll(id_)["status"] != "Running")
        return self.poll(id_)


@pytest.fixture
def platform(house: House, provider: Provider, shanoir: Shanoir) -> Platform:
    return Platform(house, provider, shanoir)


def holders(house: House, *secrets: str) -> set[Path]:
    """Files of the engine's account, and of the desk, that hold one of these."""
    found = set()
    for place in (house.desk.home, house.desk.directory):
        for one in place.rglob("*"):
            if one.is_file() and any(secret.encode() in one.read_bytes() for secret in secrets):
                found.add(one)
    return found


def test_data_sets_are_processed_and_results_come_back_before_it_is_told_to_be_over(
    house: House, platform: Platform, shanoir: Shanoir
) -> None:
    made = platform.launch(platform.data_set("a-1", b"one"), platform.data_set("a-2", b"two"))
    assert made.status == 200, made
    assert made.json["studyIdentifier"] == "42"
    assert type(made.json["startDate"]) is int
    id_ = made.json["identifier"]
    told = platform.ended(id_)
    assert (told["status"], set(told["jobs"])) == ("Finished", {"0", "1"})
    assert told["inputValues"]["file"] == ""  # of the service account: there, but nobody's data
    assert sorted(shanoir.results.values()) == [b"one" + b"w\n", b"two" + b"w\n"]
    assert all(name.startswith("7/2026-01-01/") and name.count("/") == 2 for name in shanoir.results)
    assert "GET /path/a-1?format=dcm&converterId=4" in shanoir.asked
    mine = platform.ask(platform.user, "GET", f"/executions/{id_}").json
    assert mine["inputValues"]["file"][0] == (
        "local:/resource_id+a-1+dataset.zip?format=dcm&resourceId=a-1&converterId=4&md5=none&type=File"
    )
    assert mine["resultsLocation"] == "local:/7/2026-01-01?md5=none&type=File"
    assert platform.ask(platform.service, "GET", f"/executions/{id_}/summary/").json["status"] == "Finished"
    [held] = holders(house, platform.token, platform.refresh)
    assert (held.name, held.parent.name, held.parents[3].name) == ("local", id_, "keys")
    assert os.stat(held).st_mode & 0o777 == 0o600


def test_tokens_are_renewed_while_jobs_wait_for_their_turn(
    house: House, provider: Provider, shanoir: Shanoir
) -> None:
    platform = Platform(house, provider, shanoir, life=6)
    gate = house.desk.directory / "gate"
    values = {"name": "first", "pipelineIdentifier": "waiter/1.0", "inputValues": {"gate": str(gate)}}
    first = platform.ask(platform.user, "POST", "/executions", values)
    assert first.status == 200, first
    waits = platform.launch(platform.data_set("b-1", b"late"), into="7/late").json["identifier"]
    until(lambda: len(provider.refreshed) > 2 and not provider.is_good(platform.token))
    gate.touch()
    assert platform.ended(waits)["status"] == "Finished"
    assert shanoir.results["7/late/out.txt"] == b"latew\n"


def test_a_session_that_has_ended_is_told_as_that(house: House, provider: Provider, shanoir: Shanoir) -> None:
    platform = Platform(house, provider, shanoir, life=1)
    location = platform.data_set("c-1", b"never")
    provider.session = ""
    id_ = platform.launch(location, into="7/never").json["identifier"]
    told = platform.ended(id_)
    assert told["status"] == "ExecutionFailed"
    mine = platform.ask(platform.user, "GET", f"/executions/{id_}").json
    assert "the session at local has ended" in mine["jobs"]["0"]["exitMessage"]
    assert "c-1?" not in "".join(shanoir.asked)


def test_it_is_not_over_before_its_results_are_there(
    house: House, platform: Platform, shanoir: Shanoir
) -> None:
    shanoir.full = True
    id_ = platform.launch(platform.data_set("d-1", b"x"), into="7/full").json["identifier"]
    until(lambda: shanoir.turned_away > 0)
    told = platform.poll(id_)
    assert (told["status"], told["jobs"]["0"]["status"]) == ("Running", "COMPLETED")
    with closing(sqlite3.connect(house.desk.database, timeout=60)) as database, database:
        database.execute("UPDATE replica SET tries = 3 WHERE state = 'wanted'")  # as after some minutes
    assert platform.poll(id_)["status"] == "ExecutionFailed"
    listed = platform.ask(platform.user, "GET", "/executions?studyIdentifier=42").json
    assert [one["status"] for one in listed if one["identifier"] == id_] == ["ExecutionFailed"]
    shanoir.full = False


@pytest.mark.parametrize(
    "changes", [{"api": ""}, {"refresh": ""}, {"refresh": "http://sso.example.org/token"}]
)
def test_a_platform_that_would_get_tokens_in_the_clear_or_nowhere_is_refused(
    house: House, changes: dict[str, str]
) -> None:
    storage = {
        "url": "shanoir://s.example.org",
        "api": "https://s.example.org",
        "refresh": "https://s.example.org",
    }
    variables = {"ENGINE_STORAGES": json.dumps({"local": {**storage, **changes}})}
    ran = house.desk.run("data", "ls", "local:", variables=variables)
    assert (ran.code, f"storages.local.{next(iter(changes))}" in ran.err) == (2, True), ran


@pytest.mark.parametrize(
    ("location", "into", "code"),
    [
        ("local:/x.zip?format=dcm&", "7/x", 8009),
        ("local:/?resourceId=a&format=dcm&", "7/x", 8009),
        ("other:/x.zip?resourceId=a&", "7/x", 8013),
        ("shanoir:/x.zip?resourceId=a&", "7/x", 8013),
        ("local:/x.zip?resourceId=..&", "7/x", 8009),
        ("local:/x.zip?resourceId=a&", "../x", 8013),
        ("local:/x.zip?resourceId=a&", "", 8013),
    ],
)
def test_locations_that_cannot_be_are_refused_without_their_tokens(
    house: House, platform: Platform, location: str, into: str, code: int
) -> None:
    answer = platform.launch(f"{location}token=SECRET&refreshToken=HIDDEN&clientId=c", into=into)
    assert (answer.status, answer.code) == (400, code), answer
    assert b"SECRET" not in answer.body
    assert "SECRET" not in house.log.read_text()
    assert {one.parent.parent.name for one in holders(house, "SECRET", "HIDDEN")} <= {"keys"}


def test_a_user_without_a_session_there_is_told(house: House) -> None:
    told = house.launch("copier/1.0", {"file": "local:/x.zip?format=dcm&resourceId=a"}, user="bob")
    id_ = told.json["identifier"]
    assert house.ended(id_, "bob")["status"] == "ExecutionFailed"
