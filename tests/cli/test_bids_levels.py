"""The levels of a BIDS app: each begins when what it needs has ended, and one failed participant is not the
end of the group.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, Execution, desk_in

pytestmark = pytest.mark.whole

APP = """#!/bin/sh
# app.sh NOTES BIDS OUT LEVEL [PARTICIPANT] [SESSION]
set -e
notes=$1 out=$3 level=$4 place=sub-$5${6:+_ses-$6}
[ "$5" ] || place=all
echo "begin $level $place" >> "$notes"
case $level-$5 in
    participant-02)
        n=0
        until grep -q 'begin session sub-01' "$notes" || [ $((n += 1)) -gt 1200 ]; do sleep 0.05; done ;;
    participant-03) test ! -e "$notes.fails" ;;
esac
mkdir -p "$out"
case $level in
    group*) ls "$out" > "$notes.$level"; cat "$out"/*_participant.tsv > "$out/$level.tsv" ;;
    *) echo "$place" > "$out/${place}_$level.tsv" ;;
esac
echo "end $level $place" >> "$notes"
"""
INPUTS: dict[str, str | Mapping[str, Any]] = {
    "script": "File",
    "notes": "String",
    "bids_dir": "File",
    "output_dir": "String",
    "analysis_level": {
        "type": "String",
        "value-choices": ["participant", "session", "group1", "group2"],
    },
    "participant_label": {"type": "String", "list": True},
    "session_label": "String",
}
COMMAND = "sh [SCRIPT] [NOTES] [BIDS_DIR] [OUTPUT_DIR] [ANALYSIS_LEVEL] [PARTICIPANT_LABEL] [SESSION_LABEL]"
SESSIONS = ["01_ses-a", "01_ses-b", "02_ses-a"]


class Study:
    """A data set of three participants, and an app that notes what it does."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.notes = desk.directory / "notes"
        self.fails = Path(f"{self.notes}.fails")
        for name in ("01/ses-a", "01/ses-b", "02/ses-a", "03/ses-a"):
            (desk.directory / f"study/sub-{name}/anat").mkdir(parents=True)
        desk.write("app.sh", APP)
        desk.tool(COMMAND, INPUTS, {"out": "[OUTPUT_DIR]"})
        self.words = ["tool.json", "--bids", "study", "--runtime", "none"]
        for setting in ("script=app.sh", "output_dir=out", f"notes={self.notes}"):
            self.words += ["--set", setting]

    def submit(self, *words: str, code: int = 0, **options: Any) -> Execution:
        for path in self.desk.directory.glob("notes*"):
            if path != self.fails:
                path.unlink()
        self.notes.touch()
        run = self.desk.submit(*self.words, *words, code=code, **options)
        for path in self.desk.directory.glob("notes*"):
            shutil.copy(path, run.results)
        return run


def begun(run: Execution, level: str) -> list[str]:
    lines = run.read("notes").splitlines()
    return sorted(line.split()[-1] for line in lines if line.startswith(f"begin {level} "))


def at(run: Execution, line: str) -> int:
    return run.read("notes").splitlines().index(line)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with desk_in(tmp_path_factory.mktemp("desk")) as desk:
        yield Study(desk)


@pytest.fixture(scope="module")
def incomplete(study: Study) -> Execution:
    """A run in which a participant fails."""
    study.fails.touch()
    return study.submit(code=1)


def test_each_level_begins_when_what_it_needs_has_ended(incomplete: Execution) -> None:
    run = incomplete
    assert begun(run, "participant") == ["sub-01", "sub-02", "sub-03"]
    assert begun(run, "session") == [f"sub-{name}" for name in SESSIONS]
    assert (begun(run, "group1"), begun(run, "group2")) == (["all"], ["all"])
    # Another participant need not be over: the app of 02 waits for the session of 01.
    assert at(run, "begin session sub-01_ses-a") < at(run, "end participant sub-02")
    assert at(run, "end participant sub-01") < at(run, "begin session sub-01_ses-a")
    assert max(at(run, f"end session sub-{name}") for name in SESSIONS) < at(run, "begin group1 all")
    assert at(run, "end group1 all") < at(run, "begin group2 all")


def test_a_group_level_runs_without_those_who_failed_and_says_so(study: Study, incomplete: Execution) -> None:
    value, desk = incomplete.ran.value, study.desk
    assert (value["state"], value["tally"]) == ("partial", {"succeeded": 7, "failed": 1, "skipped": 1})
    line = "job 8 ran without 1 of 4: sub-03_ses-a"
    assert value["incomplete"] == [line]
    assert f"engine: {line}" in incomplete.ran.err
    assert line in desk.ok("status", incomplete.id).out
    shown = desk.ok("explain", f"{incomplete.id}:8").out
    assert "it ran without 1 of the 4 jobs that it waited for" in shown
    assert "job 7 (sub-03_ses-a) was missing; it is skipped" in shown
    assert "job 3 (sub-03) is failed: " in desk.ok("explain", f"{incomplete.id}:7").out
    waited = incomplete.record(8)["additional-information"]["waited-for"]
    assert len(waited.pop("results")) == 5
    assert waited == {"jobs": 4, "need": "any", "missing": [{"job": 7, "name": "sub-03_ses-a"}]}


def test_on_other_machines_small_results_travel_with_the_next_level(study: Study) -> None:
    study.fails.unlink(missing_ok=True)
    store = study.desk.directory / "store"
    store.mkdir()
    variables = {
        "ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE": "true",
        "ENGINE_STORAGES": json.dumps({"disk": {"url": store.as_uri()}}),
    }
    run = study.submit("--store", "disk", variables=variables)
    assert run.ran.value["tally"] == {"succeeded": 9}
    assert len(run.read("notes.group1").split()) == 7
    waited = run.record(8)["additional-information"]["waited-for"]
    assert {one["url"].partition(":")[0] for one in waited["results"]} == {"sandbox"}
    assert (len(waited["results"]), waited["missing"]) == (7, [])
    # A storage holds the results: there is no data set of them here.
    assert (run.ran.value["dataset"], (run.results / "derivatives").exists()) == ("", False)


def test_all_may_be_asked_for_and_a_retry_brings_the_group(study: Study) -> None:
    study.fails.touch()
    run = study.submit("--need", "all", code=1)
    assert begun(run, "group1") == []
    assert "job 8 was skipped: " in run.ran.err
    assert "3 of 4 succeeded, not sub-03_ses-a" in run.ran.err
    study.fails.unlink()
    ended = study.desk.ok("retry", run.id, "--json").value
    assert (ended["state"], ended["tally"], ended["incomplete"]) == ("succeeded", {"succeeded": 9}, [])
    lines = study.notes.read_text().splitlines()
    assert (lines.count("begin participant sub-01"), lines.count("begin group2 all")) == (1, 1)


def test_each_level_finds_the_results_of_those_before_in_its_output_directory(incomplete: Execution) -> None:
    participants = [f"sub-0{n}_participant.tsv" for n in (1, 2)]
    sessions = [f"sub-{name}_session.tsv" for name in SESSIONS]
    seen = {level: incomplete.read(f"notes.{level}").split() for level in ("group1", "group2")}
    assert seen["group1"] == sorted([*participants, *sessions])
    assert seen["group2"] == sorted(["group1.tsv", *participants, *sessions])
    # What a level found there is no result of its own.
    assert incomplete.files("outputs/8") == ["out/group1.tsv"]
    assert incomplete.read("outputs/8/out/group1.tsv") == "sub-01\nsub-02\n"
    assert incomplete.files("outputs/4") == ["out/sub-01_ses-a_session.tsv"]


@pytest.mark.parametrize("need", ["0", "none", "1.5", "-1", "0.0", "1e3", ""])
def test_a_need_that_is_none_is_refused(study: Study, need: str) -> None:
    ran = study.desk.run("plan", *study.words, f"--need={need}")
    assert (ran.code, ran.out) == (2, "")
    assert f"--need {need!r}: " in ran.err


def test_a_need_without_a_data_set_is_refused(study: Study) -> None:
    ran = study.desk.run("plan", "tool.json", "--need", "all")
    assert (ran.code, "need --bids" in ran.err) == (2, True)
