"""A BIDS data set makes a job for what is there, and the group level after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest
from engine.planning import Dataset, Point, Sweep, read_invocations
from tests.planning.samples import file, text, tool_of

APP = tool_of(
    "app [BIDS_DIR] [ANALYSIS_LEVEL] [PARTICIPANT_LABEL] [SESSION_LABEL] [OUT]",
    file("bids_dir"),
    text("analysis_level", **{"value-choices": ["group", "participant"]}),
    text("participant_label", list=True, optional=True),
    text("session_label", list=True, optional=True),
    text("out", optional=True),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("sub-01/ses-a/anat", "sub-01/ses-b", "sub-02/anat", "sub-10/ses-b", "derivatives/x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "sub-03").write_text("a file, not a participant")
    return tmp_path


def points(dataset: Dataset, *settings: str, tool: Any = APP) -> list[Point]:
    return list(read_invocations([], tool.tool, Sweep(bids=dataset, set=settings)))


def rows(found: list[Point]) -> list[tuple[Any, ...]]:
    names = ("analysis_level", "participant_label", "session_label")
    return [(*(point.invocation.get(name) for name in names), point.stage) for point in found]


def test_participants_and_sessions_that_exist_run_before_the_group(data: Path) -> None:
    found = points(Dataset(str(data)))
    assert rows(found) == [
        ("participant", ["01"], ["a"], 0),
        ("participant", ["01"], ["b"], 0),
        ("participant", ["02"], None, 0),
        ("participant", ["10"], ["b"], 0),
        ("group", None, None, 1),
    ]
    assert {point.invocation["bids_dir"] for point in found} == {str(data)}
    for point in found:
        APP.expand(point.invocation)


def test_a_level_that_is_asked_for_is_the_only_one(data: Path) -> None:
    assert rows(points(Dataset(str(data)), "analysis_level=group")) == [("group", None, None, 0)]
    assert {row[0] for row in rows(points(Dataset(str(data)), "analysis_level=participant"))} == {
        "participant"
    }


def test_only_some_participants_and_sessions(data: Path) -> None:
    found = points(Dataset(str(data), participants=["01", "sub-02"], sessions=["b"]))
    assert rows(found) == [
        ("participant", ["01"], ["b"], 0),
        ("participant", ["02"], None, 0),
        ("group", ["01", "02"], None, 1),
    ]


def test_a_tool_without_sessions_has_one_job_a_participant(data: Path) -> None:
    plain = tool_of("app [BIDS_DIR] [PARTICIPANT_LABEL]", file("bids_dir"), text("participant_label"))
    found = points(Dataset(str(data)), tool=plain)
    assert [point.invocation["participant_label"] for point in found] == ["01", "02", "10"]
    assert found[0].parameters["participant_label"] == "01"


def test_what_does_not_exist_is_refused(data: Path) -> None:
    with pytest.raises(BadRequest, match="there is no sub-77"):
        points(Dataset(str(data), participants=["77"]))
    with pytest.raises(BadRequest, match="this is not a BIDS dataset"):
        points(Dataset(str(data / "derivatives")))
    with pytest.raises(BadRequest, match="No such file or directory"):
        points(Dataset(str(data / "nothing")))


def test_a_tool_that_is_no_bids_app_is_refused(data: Path) -> None:
    with pytest.raises(BadRequest, match="sample is no BIDS app: it has no input bids_dir"):
        points(Dataset(str(data)), tool=tool_of("tool [A]", text("a")))
