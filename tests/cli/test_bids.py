"""`--bids` takes what is asked for, or says why it cannot."""

from __future__ import annotations

import pytest

from tests.cli.desk import Desk

INPUTS = {
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
