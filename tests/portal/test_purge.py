"""Retention: what may go goes with everything, and nothing goes before its time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cli.desk import Desk, until
from tests.portal.house import House, portal

pytestmark = pytest.mark.whole

TABLES = (
    "execution",
    "launch",
    "job",
    "attempt",
    "submission",
    "event",
    "product",
    "tally",
    "source",
    "outbox",
)


def rows(house: House) -> dict[str, int]:
    with closing(sqlite3.connect(house.desk.database)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def told(house: House) -> bool:
    with closing(sqlite3.connect(house.desk.database)) as connection:
        return not connection.execute("SELECT 1 FROM launch WHERE NOT told").fetchone()


@pytest.fixture
def short(desk: Desk) -> Iterator[House]:
    """A portal that keeps executions for a thousandth of a second."""
    with portal(desk, {"ENGINE_PORTAL__RETENTION": "0.001"}) as house:
        yield house


def test_what_is_over_goes_with_all_its_rows_and_files(short: House) -> None:
    short.put("/vip/Home/in.txt", b"x")
    values = {"file": "/vip/Home/in.txt", "word": ["x", "y"]}
    told_ = short.run("copier/1.0", values)
    running = short.start("waiter/1.0", {"gate": "/nowhere"})
    until(lambda: rows(short)["attempt"] == 3)
    until(lambda: "end" in short.engine("audit", "list").out)
    assert short.engine("purge", "--dry-run").out.split() == [told_["identifier"]]
    assert short.engine("purge", "--files").out.split() == [told_["identifier"]]
    [line] = [one for one in short.engine("audit", "list").values if one["action"] == "purge"]
    assert line["account"] == f"local:{os.getuid()}"
    assert rows(short)["execution"] == rows(short)["launch"] == rows(short)["job"] == 1
    [path, _] = told_["returnedFiles"]["copy"]
    assert not short.exists(path)
    assert short.ask("GET", f"/executions/{told_['identifier']}").code == 8015
    assert short.told(running)["status"] == "Running"
    short.engine("audit", "verify")
    short.ok("PUT", f"/executions/{running}/kill")
    short.ended(running)
    until(lambda: told(short))
    short.engine("purge")
    assert rows(short) == dict.fromkeys(TABLES, 0)


def test_nothing_goes_before_the_end_of_its_retention(desk: Desk) -> None:
    with portal(desk, {"ENGINE_PORTAL__RETENTION": "3600"}) as house:
        id_ = house.run("failer/1.0", {"code": "0"})["identifier"]
        until(lambda: told(house))
        assert house.engine("purge", "--older-than", "0").out == ""
        assert house.told(id_)["status"] == "Finished"
