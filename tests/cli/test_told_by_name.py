"""What went wrong is told by the names that people know: of tests, of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")


def test_a_test_that_is_refused_is_told_by_its_name(desk: Desk) -> None:
    test = {"name": "with a word", "invocation": {"n": "many"}, "assertions": {"exit-code": 0}}
    tool = desk.tool("echo [N]", {"n": "Number"}, tests=[test])
    ran = desk.run("test", tool, *BARE)
    assert (ran.code, ran.out) == (2, "")
    assert ran.lines == ["engine: test with a word: input n: 'many' is not a number"]


def test_a_test_that_passes_still_does(desk: Desk) -> None:
    test = {"name": "sound", "invocation": {"n": 1}, "assertions": {"exit-code": 0}}
    ran = desk.ok("test", desk.tool("echo [N]", {"n": "Number"}, tests=[test]), *BARE)
    assert ran.out == "passed  sound\n"


def test_why_a_job_was_skipped_is_explained_with_the_job_that_failed(desk: Desk) -> None:
    for name in ("01", "02"):
        (desk.directory / f"study/sub-{name}/anat").mkdir(parents=True)
    inputs: dict[str, str | Mapping[str, Any]] = {
        "bids_dir": "File",
        "analysis_level": {"type": "String", "value-choices": ["participant", "group"]},
        "participant_label": {"type": "String", "list": True},
    }
    command = "echo [BIDS_DIR] [PARTICIPANT_LABEL]; test [ANALYSIS_LEVEL] = group"
    tool = desk.tool(command, inputs)
    done = desk.run("submit", tool, "--bids", "study", *BARE, "--json")
    assert done.code == 1, done
    assert "job 3 was skipped: too few of the jobs that it waits for succeeded (need any): 0 of 2" in done.err
    id_ = done.value["id"]
    told = desk.ok("explain", f"{id_}:3").out
    assert "it never ran: too few of the jobs that it waits for succeeded" in told
    assert "job 1 (sub-01) is failed: " in told
    assert f"engine explain {id_}:2" in told
    assert f"engine retry {id_}" in told
