"""What administrators are told of the use of a portal."""

from __future__ import annotations

import pytest

from tests.portal.house import GROUP, House

pytestmark = pytest.mark.whole


def test_usage_is_told_by_user_group_and_pipeline_to_administrators_alone(house: House) -> None:
    for user in ("ann", "bob"):
        house.run("failer/1.0", {"code": ["0", "0"]}, user=user)
    found = house.ok("GET", "/admin/usage?by=user&by=pipeline", user="root").json
    jobs = {one["user"]: one["jobs"] for one in found if one["pipeline"] == "failer/1.0"}
    assert jobs["ann"] >= 2
    assert jobs["bob"] >= 2
    groups = {one["group"] for one in house.ok("GET", "/admin/usage?by=group", user="root").json}
    assert GROUP in groups
    for path in ("/admin/usage", "/statistics/users", "/statistics/service/vip"):
        assert house.ask("GET", path, user="ann").status == 403
        assert house.ask("GET", path, user="").status == 401
    assert house.ask("GET", "/admin/usage?by=moon", user="root").code == 8000


def test_statistics_are_asked_for_as_vip_does(house: House) -> None:
    house.run("failer/1.0", {"code": "0"})
    span = "01-01-2020%2000:00:00/31-12-2099%2000:00:00"
    told = house.ok("GET", f"/statistics/users/{span}", user="root").json
    assert "ann" in told["users"]
    assert told["total"] == len(told["users"])
    assert house.ok("GET", f"/statistics/service/vip/{span}", user="root").json["total"] >= 1
    early = house.ok("GET", "/statistics/service/vip/01-01-2020/02-01-2020", user="root").json
    assert early == {"start": "01-01-2020", "end": "02-01-2020", "total": 0}
    for date in ("yesterday", "32-01-2020", "2020-01-01"):
        assert house.ask("GET", f"/statistics/users/{date}", user="root").code == 8010
