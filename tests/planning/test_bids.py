"""A BIDS data set makes a job for what is there, and the group level after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest, EngineError
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
    return [(*(point.invocation.get(name) for name in names), point.step) for point in found]


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
    found = points(Dataset(str(data), participants=["01", "sub-10"], sessions=["ses-b"]))
    assert rows(found) == [
        ("participant", ["01"], ["b"], 0),
        ("participant", ["10"], ["b"], 0),
        ("group", ["01", "10"], ["b"], 1),
    ]


def test_participants_without_the_session_are_left_out_unless_they_were_named(data: Path) -> None:
    found = points(Dataset(str(data), sessions=["a"]))
    assert rows(found) == [("participant", ["01"], ["a"], 0), ("group", ["01"], ["a"], 1)]
    with pytest.raises(BadRequest, match="sub-02: nothing here is ses-a"):
        points(Dataset(str(data), participants=["01", "02"], sessions=["a"]))


@pytest.mark.parametrize("label", ["ses-c", "B", "ses-ses-a"])
def test_a_session_that_nobody_has_is_refused(data: Path, label: str) -> None:
    with pytest.raises(BadRequest, match=r"there is no ses-|is no label"):
        points(Dataset(str(data), sessions=["a", label]))


def test_sessions_for_a_tool_without_them_are_refused(data: Path) -> None:
    plain = tool_of("app [BIDS_DIR] [PARTICIPANT_LABEL]", file("bids_dir"), text("participant_label"))
    with pytest.raises(BadRequest, match="--sessions: sample has no input session_label"):
        points(Dataset(str(data), sessions=["a"]), tool=plain)


def test_what_is_no_label_is_no_participant(data: Path) -> None:
    for name in ("sub-", "sub-01_x", "sub-0 1", "sub-01-x"):
        (data / name).mkdir()
    assert {row[1][0] for row in rows(points(Dataset(str(data)))) if row[1]} == {"01", "02", "10"}
    for label in ("01_x", "sub-01_x", "sub-"):
        with pytest.raises(BadRequest, match="is no label of a BIDS dataset"):
            points(Dataset(str(data), participants=[label]))


@pytest.mark.parametrize(
    ("settings", "sweep"),
    [
        (["participant_label=01"], Sweep()),
        (["session_label=a"], Sweep()),
        (["bids_dir=/elsewhere"], Sweep()),
        ([], Sweep(cross=["participant_label=01,02"])),
        ([], Sweep(zip=["session_label=a"])),
        ([], Sweep(cross=["analysis_level=participant,group"])),
    ],
)
def test_what_contradicts_the_data_set_is_refused(data: Path, settings: list[str], sweep: Sweep) -> None:
    found = list(read_invocations([], APP.tool, replace(sweep, bids=Dataset(str(data)), set=settings)))
    assert [point.problem.startswith("input ") for point in found] == [True]
    given = dict(setting.split("=") for setting in settings)
    if given and "bids_dir" not in given:
        (point,) = read_invocations([given], APP.tool, Sweep(bids=Dataset(str(data))))
        assert "--bids gives it its values; choose with --" in point.problem


def test_a_group_level_that_cannot_be_told_of_the_choice_is_refused(data: Path) -> None:
    single = tool_of(
        "app [BIDS_DIR] [ANALYSIS_LEVEL] [PARTICIPANT_LABEL]",
        file("bids_dir"),
        text("analysis_level", **{"value-choices": ["participant", "group"]}),
        text("participant_label", optional=True),
    )
    with pytest.raises(BadRequest, match="--participants: the group level would take more"):
        points(Dataset(str(data), participants=["01", "02"]), tool=single)
    only = points(Dataset(str(data), participants=["01", "02"]), "analysis_level=participant", tool=single)
    assert [point.invocation["participant_label"] for point in only] == ["01", "02"]
    assert (
        points(Dataset(str(data), participants=["01"]), tool=single)[-1].invocation["participant_label"]
        == "01"
    )


FMRIPREP = tool_of(
    "fmriprep [BIDS_DIR] [PARTICIPANT_LABEL] [TASK_ID] [BIDS_FILTER_FILE]",
    file("bids_dir"),
    text("participant_label", list=True, optional=True),
    text("task_id", optional=True),
    file("bids_filter_file", optional=True),
)


@pytest.fixture
def tasks(data: Path) -> Path:
    for name in (
        "sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii.gz",
        "sub-02/func/sub-02_task-n_bold.nii",
    ):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    return data


def test_a_filter_of_an_entity_goes_to_its_input_and_chooses_who_has_it(tasks: Path) -> None:
    found = points(Dataset(str(tasks), filters=["task=rest"]), tool=FMRIPREP)
    assert [(p.invocation["participant_label"], p.invocation["task_id"]) for p in found] == [(["01"], "rest")]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (["task=rst"], "no participant has all|no file of what is chosen has task-rst"),
        (["echo=1"], "sample has no input for it .echo_id."),
        (["session=a"], "choose with --sessions"),
        (["task=a b"], "is no label"),
        (["task=rest,n"], "input task_id takes one value"),
        (["gone.json"], "gone.json: no such file"),
    ],
)
def test_a_filter_that_cannot_be_kept_is_refused(tasks: Path, filters: list[str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        points(Dataset(str(tasks), filters=filters), tool=FMRIPREP)


def test_files_of_macos_hidden_files_and_sidecars_alone_choose_nobody(tasks: Path) -> None:
    for name in (
        "sub-02/func/._sub-02_task-rest_bold.nii.gz",
        "sub-02/.trash/sub-02_task-rest_bold.nii.gz",
        "sub-02/func/sub-02_task-rest_bold.json",
    ):
        (tasks / name).parent.mkdir(exist_ok=True)
        (tasks / name).touch()
    found = points(Dataset(str(tasks), filters=["task=rest"]), tool=FMRIPREP)
    assert [point.invocation["participant_label"] for point in found] == [["01"]]


def test_labels_that_there_are_are_told_with_one_that_there_is_not(tasks: Path) -> None:
    with pytest.raises(BadRequest) as refused:
        points(Dataset(str(tasks), filters=["task=REST"]), tool=FMRIPREP)
    assert refused.value.remedy == "there is task-n, task-rest"


def test_a_filter_file_goes_to_its_input_and_its_labels_must_exist(tasks: Path, tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    path.write_text('{"bold": {"task": "rest", "suffix": "bold"}, "t1w": {"session": "*"}}')
    found = points(Dataset(str(tasks), filters=[str(path)]), tool=FMRIPREP)
    assert {point.invocation["bids_filter_file"] for point in found} == {str(path)}
    assert len(found) == 3
    path.write_text('{"bold": {"task": ["rest", "rst"]}}')
    with pytest.raises(BadRequest, match="has task-rst in its name"):
        points(Dataset(str(tasks), filters=[str(path)]), tool=FMRIPREP)
    path.write_text('["task"]')
    with pytest.raises(BadRequest, match="not a filter file"):
        points(Dataset(str(tasks), filters=[str(path)]), tool=FMRIPREP)
    with pytest.raises(BadRequest, match="has no input for a filter file"):
        points(Dataset(str(tasks), filters=[str(path)]))


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
