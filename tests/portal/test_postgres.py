"""The portal on PostgreSQL, with many users at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.desk import Desk, until
from tests.portal.house import House, portal

pytestmark = pytest.mark.service


def test_several_users_work_at_the_same_time_and_the_trail_is_whole(desk: Desk, postgres_url: str) -> None:
    settings = {
        "ENGINE_DATABASE": postgres_url,
        "ENGINE_PORTAL__RUNNING": "2",
        "ENGINE_BACKENDS__LOCAL__SLOTS": "2",
    }
    with portal(desk, settings) as house:
        for user in ("ann", "bob", "carl"):
            house.put("/vip/Home/in.txt", f"{user}\n".encode(), user=user)
        wanted = [user for _ in range(4) for user in ("ann", "bob", "carl")]
        with ThreadPoolExecutor(6) as pool:
            values = {"file": "/vip/Home/in.txt", "word": ["x", "y"]}
            started = list(pool.map(lambda user: house.start("copier/1.0", values, user=user), wanted))
        for user, id_ in zip(wanted, started, strict=True):
            told = house.ended(id_, user)
            assert told["status"] == "Finished"
            assert sorted(house.read(path, user) for path in told["returnedFiles"]["copy"]) == [
                f"{user}\nx\n".encode(),
                f"{user}\ny\n".encode(),
            ]
        assert [len(house.ok("GET", "/executions", user=user).json) for user in ("ann", "bob")] == [4, 4]
        until(lambda: _ends(house) == len(started))
        house.engine("audit", "verify")


def test_text_that_a_database_cannot_hold_is_refused_and_not_a_defect(desk: Desk, postgres_url: str) -> None:
    with portal(desk, {"ENGINE_DATABASE": postgres_url}) as house:
        for answer in (
            house.ask("GET", "/executions/%00"),
            house.ask("GET", "/executions?studyIdentifier=%00"),
            house.ask("GET", "/pipelines/a%00/1"),
            house.ask("GET", "/executions?limit=1&offset=999999999"),
            house.ask("PUT", "/user/externalKeys", {"storageIdentifier": "\u0000", "apiKey": "x"}),
            house.ask("POST", "/authenticate", {"username": "\u0000", "password": "x"}, user=""),
            house.ask("POST", "/authenticate", {"username": "\ud800", "password": "\ud800"}, user=""),
            house.launch("failer/1.0", {"code": "0"}, resultsLocation="/vip/Home/\u0000"),
            house.launch("\ud800/1.0", {"code": "0"}),
            house.launch("failer/1.0", {"\u0000": "0"}),
            house.ask("POST", "/admin/users", {"name": "\u0000"}, user="root"),
            house.ask("POST", "/admin/users", {"name": "x", "groups": ["\ud800"]}, user="root"),
            house.ask("PATCH", "/admin/users/%00", {"locked": True}, user="root"),
            house.ask("POST", "/admin/users/ann/keys", {"name": "\u0000"}, user="root"),
            house.ask("DELETE", "/admin/users/ann/keys/%00", user="root"),
            house.ask("POST", "/admin/groups", {"name": "\ud800"}, user="root"),
            house.ask("PUT", "/admin/groups/%00/members/ann", user="root"),
        ):
            assert answer.status < 500, answer
        assert house.ask("GET", "/admin/sites?backend=%00", user="root").json == []
        until(lambda: "refused 400 8013" in house.engine("audit", "list").out)
        house.engine("audit", "verify")
        assert "defect" not in house.log.read_text()


def _ends(house: House) -> int:
    lines = house.engine("audit", "list").out.splitlines()
    return sum(json.loads(line)["action"] == "end" for line in lines)
