"""What the work of users has taken, as the command line tells it."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

TOOL = {
    "name": "=counter",
    "description": "Counts, or fails",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "printf 12345 > out.txt; sleep 0.2; exit [CODE]",
    "inputs": [{"id": "code", "name": "code", "type": "Number", "integer": True, "value-key": "[CODE]"}],
    "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
}
EXACT = ("jobs", "attempts", "failures", "bytes")


def submitted(desk: Desk, *codes: int) -> str:
    desk.write("tool.json", TOOL)
    values = desk.lines("values.jsonl", [{"code": code} for code in codes])
    ran = desk.run("submit", "tool.json", values, "--runtime", "none", "--json")
    return str(ran.values[-1]["id"])


def exact(desk: Desk, *words: str) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in one.items() if not name.endswith("_hours")}
        for one in desk.ok("usage", *words, "--json").values
    ]


def test_jobs_bytes_and_failures_are_summed_and_stay_when_their_execution_is_purged(desk: Desk) -> None:
    submitted(desk, 0, 0, 3)
    good = {"class": "succeeded", "jobs": 2, "attempts": 2, "failures": 0, "bytes": 10}
    bad = {"class": "tool", "jobs": 1, "attempts": 1, "failures": 1, "bytes": 0}
    assert exact(desk, "--by", "class") == [good, bad]
    [before] = desk.ok("usage", "--by", "pipeline", "--json").values
    assert before["pipeline"] == "=counter"
    assert before["core_hours"] * 3600 > 0.59
    desk.ok("purge", "--older-than", "0")
    assert desk.ok("list", "--json").values == []
    assert desk.ok("usage", "--by", "pipeline", "--json").values == [before]
    submitted(desk, 0)
    assert [one["jobs"] for one in exact(desk)] == [4]
    desk.ok("purge", "--older-than", "0")
    assert [one["jobs"] for one in exact(desk)] == [4]


def test_dimensions_months_and_forms(desk: Desk) -> None:
    submitted(desk, 0)
    [one] = exact(desk, "--by", "month", "--by", "site", "--by", "group")
    assert (one["site"], one["group"], one["jobs"]) == ("local", "", 1)
    assert exact(desk, "--since", one["month"], "--until", one["month"]) != []
    assert exact(desk, "--until", "2020-01") == []
    table = list(csv.DictReader(io.StringIO(desk.ok("usage", "--by", "pipeline", "--csv").out)))
    assert [row["pipeline"] for row in table] == ["'=counter"]
    for words, told in (
        (["--by", "moon"], "usage by 'moon' is not known"),
        (["--since", "2026-13"], "'2026-13' is no month"),
        (["--csv", "--json"], "--csv and --json"),
    ):
        ran = desk.run("usage", *words)
        assert (ran.code, told in ran.err) == (2, True), ran
