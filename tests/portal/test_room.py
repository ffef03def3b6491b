"""What a user may keep: asked for uploads, for launches and for results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.app.access.key import load_key
from engine.app.access.tokens import TokenScope, mint
from engine.clock import SystemClock
from tests.cli.desk import desk_in, until
from tests.portal.house import House, portal

pytestmark = pytest.mark.whole

MEGABYTE = 1 << 20
FILLER = {
    "name": "filler",
    "description": "Writes so many megabytes",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "head -c [SIZE]M /dev/urandom > out.bin",
    "inputs": [{"id": "size", "name": "size", "type": "Number", "integer": True, "value-key": "[SIZE]"}],
    "output-files": [{"id": "out", "name": "out", "path-template": "out.bin"}],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal where everybody may keep five megabytes."""
    most = str(5 * MEGABYTE)
    with (
        desk_in(tmp_path_factory.mktemp("small")) as desk,
        portal(desk, {"ENGINE_PORTAL__BYTES": most}) as house,
    ):
        house.ok("POST", "/admin/pipelines", {"descriptor": FILLER}, user="root")
        yield house


def kept(house: House, user: str) -> int:
    """Bytes that lie there."""
    place = house.storage / "users" / house.ids[user]
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def test_results_that_are_too_many_fail_their_job_and_do_not_stay(small: House) -> None:
    told = small.run("filler/1.0", {"size": ["1", "20", "1"]}, user="ann")
    assert told["status"] == "ExecutionFailed"
    failed = [one for one in told["jobs"].values() if one["status"] == "ERROR"]
    assert len(failed) == 1
    assert "the quota is used up" in failed[0]["exitMessage"]
    assert "no more than 5242880 bytes" in failed[0]["exitMessage"]
    assert 2 * MEGABYTE <= kept(small, "ann") < 5 * MEGABYTE


def test_many_small_results_stop_at_the_quota_too(small: House) -> None:
    told = small.run("filler/1.0", {"size": ["1"] * 9}, user="bob")
    states = sorted(one["status"] for one in told["jobs"].values())
    assert 3 <= states.count("COMPLETED") <= 5  # with records of each job beside
    assert kept(small, "bob") < 6 * MEGABYTE
    assert small.ask("PUT", "/path/vip/Home/more", bytes(MEGABYTE), "bob").status == 413


def test_whoever_has_no_room_launches_nothing(small: House) -> None:
    small.put("/vip/Home/all", bytes(5 * MEGABYTE), user="carl")
    answer = small.launch("filler/1.0", {"size": "1"}, user="carl")
    assert (answer.status, answer.code) == (413, 8000)
    assert "quota is used up" in answer.json["errorMessage"]
    small.ok("DELETE", "/path/vip/Home/all", user="carl")
    assert small.launch("filler/1.0", {"size": "1"}, user="carl").status == 413  # it lies in the trash
    small.ok("DELETE", "/path/vip/Trash/all", user="carl")
    assert small.run("filler/1.0", {"size": "1"}, user="carl")["status"] == "Finished"


def test_where_a_group_has_no_room_nothing_is_launched(small: House) -> None:
    small.put("/vip/brain%20team%20(group)/all", bytes(5 * MEGABYTE), user="carl")
    for slashes in ("/vip/", "//vip/", "/vip//"):
        place = f"{slashes}brain team (group)/here"
        assert small.launch("filler/1.0", {"size": "1"}, user="carl", resultsLocation=place).status == 413
    small.ok("DELETE", "/path/vip/brain%20team%20(group)/all", user="carl")
    small.ok("DELETE", "/path/vip/Trash/all", user="carl")


def test_a_job_that_writes_to_the_embedded_storage_has_its_users_room(small: House, tmp_path: Path) -> None:
    wanted = {"gate": str(tmp_path / "gate")}
    id_ = small.start("waiter/1.0", wanted, user="root")
    attempt = until(lambda: _attempt(small, id_))
    below = ("vip", "users", small.ids["root"])
    key = load_key(small.desk.home / ".local/share/boutiques-engine/key")
    token = mint(key, TokenScope(below, frozenset({"write", "read"}), SystemClock().now() + 600, attempt))
    shown = {"Authorization": f"Bearer {token}"}
    sizes = [MEGABYTE, 20 * MEGABYTE, *[MEGABYTE] * 9]
    statuses = [
        small.ask("PUT", f"/se/{'/'.join(below)}/home/x{n}", bytes(size), "", raw=True, headers=shown).status
        for n, size in enumerate(sizes)
    ]
    assert statuses[:3] == [201, 507, 201]
    assert statuses[-1] == 507
    assert kept(small, "root") <= 5 * MEGABYTE
    (tmp_path / "gate").write_text("")
    small.ended(id_, "root")


def _attempt(house: House, id_: str) -> str:
    with sqlite3.connect(house.desk.database) as database:
        query = (
            "SELECT a.id FROM attempt a JOIN submission s ON s.id = a.submission_id "
            "WHERE s.execution_id = ? AND a.state IN ('queued', 'running')"
        )
        found = database.execute(query, (id_,)).fetchone()
    return str(found[0]) if found else ""


def test_a_quota_of_ones_own_goes_before_that_of_the_settings(small: House) -> None:
    small.engine("user", "quota", "ann", "--bytes", str(100 * MEGABYTE))
    told = small.run("filler/1.0", {"size": "20"}, user="ann")
    assert told["status"] == "Finished", json.dumps(told)
