"""`--bids` takes what is asked for, or says why it cannot."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.cli.desk import Described, Desk

pytestmark = pytest.mark.whole

INPUTS: Mapping[str, Described] = {
    "bids_dir": "File",
    "analysis_level": {"type": "String", "value-choices": ["participant", "group"]},
    "participant_label": {"type": "String", "list": True},
    "session_label": {"type": "String", "list": True},
}


@pytest.fixture
def study(each_desk: Desk) -> Desk:
    for name in (
        "study/sub-01/ses-a",
        "study/sub-01/ses-b",
        "study/sub-02/ses-b",
        "study/sub-",
        "study/sub-1_x",
    ):
        (each_desk.directory / name).mkdir(parents=True)
    each_desk.tool("app [BIDS_DIR] out [ANALYSIS_LEVEL] [PARTICIPANT_LABEL] [SESSION_LABEL]", INPUTS)
    return each_desk


def lines(desk: Desk, *words: str) -> list[str]:
    ran = desk.ok("expand", "tool.json", "--bids", "study", *words)
    return [value["command_line"].removeprefix("app study out ") for value in ran.values]


def test_what_exists_and_was_asked_for_is_run(study: Desk) -> None:
    assert lines(study) == ["participant 01 a", "participant 01 b", "participant 02 b", "group"]
    assert lines(study, "--sessions", "ses-a") == ["participant 01 a", "group 01 a"]
    assert lines(study, "--participants", "sub-02", "--set", "analysis_level=participant") == [
        "participant 02 b"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sessions", "ses-c"], "study: there is no ses-c"),
        (["--sessions", ","], "--sessions: names none"),
        (["--participants", "1"], "study: there is no sub-1\nengine: there is sub-01, sub-02"),
        (
            ["--participants", "1_x"],
            "'1_x' is no label of a BIDS dataset",
        ),
        (["--participants", "02", "--sessions", "a"], "study/sub-02: nothing here is ses-a"),
        (["--set", "participant_label=01"], "input participant_label: --bids gives it its values"),
        (["--bids-filter", "task=rest"], "--bids-filter task: tool has no input for it (task_id)"),
    ],
)
def test_what_cannot_be_kept_is_refused(study: Desk, words: list[str], message: str) -> None:
    ran = study.run("submit", "tool.json", "--bids", "study", *words, "--runtime", "none")
    assert ran.code == 2
    assert message in ran.err
    assert study.debris() == []


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", "--bids: names no directory"),
        ("http://host/study", "--bids http://host/study: a data set must be on this machine"),
        ("file://elsewhere/study", "file://elsewhere/study: a file of the machine elsewhere"),
    ],
)
def test_a_data_set_that_is_no_directory_of_this_machine_is_refused(
    study: Desk, place: str, message: str
) -> None:
    ran = study.run("expand", "tool.json", "--bids", place)
    assert (ran.code, message in ran.err) == (2, True), ran


def test_a_data_set_may_be_named_by_a_file_url(study: Desk) -> None:
    ran = study.ok("expand", "tool.json", "--bids", f"file://{study.directory}/study", "--first", "1")
    assert "participant 01 a" in ran.values[0]["command_line"]


@pytest.mark.parametrize("asked", ["run=1", "run=01", "run=001"])
def test_numbers_of_runs_are_numbers(desk: Desk, asked: str) -> None:
    for subject, run in (("01", "run-01"), ("02", "run-2")):
        (desk.directory / f"study/sub-{subject}").mkdir(parents=True)
        (desk.directory / f"study/sub-{subject}/sub-{subject}_{run}_bold.nii").touch()
    tool = desk.tool("app [BIDS_DIR] [PARTICIPANT_LABEL] [RUN]", {**INPUTS, "run": "Number"})
    level = ("--set", "analysis_level=participant")
    ran = desk.ok("expand", tool, "--bids", "study", "--bids-filter", asked, *level)
    assert [one["command_line"].partition(" #")[0] for one in ran.values] == ["app study 01 1"]
