"""The order of the levels of BIDS apps, which of them run once, and which jobs each job waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.planning import Dataset, Point, Sweep, read_invocations
from tests.planning.samples import file, text, tool_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    for name in ("sub-01/ses-a", "sub-01/ses-b", "sub-02"):
        (root / name).mkdir(parents=True)
    return root


def app(*levels: str, sessions: bool = True) -> Any:
    more = [text("session_label", list=True, optional=True)] if sessions else []
    return tool_of(
        "app [BIDS_DIR] [ANALYSIS_LEVEL] [PARTICIPANT_LABEL] [N] [SESSION_LABEL]"[
            : None if sessions else -16
        ],
        file("bids_dir"),
        text("analysis_level", **{"value-choices": list(levels)}),
        text("participant_label", list=True, optional=True),
        text("n", optional=True),
        *more,
    )


def jobs(data: Path, tool: Any, **sweep: Any) -> list[Point]:
    dataset = sweep.pop("dataset", Dataset(str(data)))
    return list(read_invocations([], tool.tool, Sweep(bids=dataset, **sweep)))


def shown(points: list[Point]) -> list[tuple[str, str, list[int]]]:
    return [
        (one.invocation["analysis_level"], "_".join(f"{k}-{v}" for k, v in one.place.items()), [*one.needs])
        for one in points
    ]


@pytest.mark.parametrize(
    ("levels", "order"),
    [
        (["group", "participant"], "participant group"),
        (["group1", "group2", "participant", "session"], "participant session group1 group2"),
        (["participant1", "group1", "participant2", "group2"], "participant1 group1 participant2 group2"),
        (["run", "session", "participant", "dataset"], "run session participant dataset"),
        (["Participant", "GroupStats"], "Participant GroupStats"),
    ],
)
def test_levels_run_in_the_order_of_their_choices(data: Path, levels: list[str], order: str) -> None:
    found = jobs(data, app(*levels))
    assert list(dict.fromkeys(one.invocation["analysis_level"] for one in found)) == order.split()
    once = [one.invocation["analysis_level"] for one in found if not one.place]
    assert once == [name for name in order.split() if name.lower().startswith(("group", "dataset"))]


def test_a_level_of_sessions_makes_the_others_run_for_participants(data: Path) -> None:
    assert shown(jobs(data, app("participant", "session", "group"))) == [
        ("participant", "sub-01", []),
        ("participant", "sub-02", []),
        ("session", "sub-01_ses-a", [1]),
        ("session", "sub-01_ses-b", [1]),
        ("session", "sub-02", [2]),
        ("group", "", [3, 4, 5]),
    ]
    assert [line[1] for line in shown(jobs(data, app("participant", "group")))] == [
        "sub-01_ses-a", "sub-01_ses-b", "sub-02", "",
    ]  # fmt: skip


def test_a_participant_waits_for_its_own_sessions(data: Path) -> None:
    found = shown(jobs(data, app("session", "participant")))
    assert found[3:] == [("participant", "sub-01", [1, 2]), ("participant", "sub-02", [3])]


def test_after_a_level_that_runs_once_each_waits_for_its_own_job_too(data: Path) -> None:
    found = shown(jobs(data, app("participant1", "group1", "participant2", "group2", sessions=False)))
    assert [needs for *_, needs in found] == [[], [], [1, 2], [1, 3], [2, 3], [4, 5]]


def test_each_combination_of_a_sweep_has_its_own_group(data: Path) -> None:
    tool = app("participant", "group", sessions=False)
    found = jobs(data, tool, cross=["n=x,y"], repeat=2)
    groups = {(one.invocation["n"], one.parameters["$repeat"]): one for one in found if not one.place}
    assert len(groups) == 4
    for (n, repeat), group in groups.items():
        of = [found[number - 1] for number in group.needs]
        assert [(one.invocation["n"], one.parameters["$repeat"]) for one in of] == [(n, repeat)] * 2


def test_only_levels_that_run_once_do_with_less(data: Path) -> None:
    tool = app("participant", "session", "group")
    found = jobs(data, tool, dataset=Dataset(str(data), need="0.5"))
    assert {one.need for one in found if one.place} == {"all"}
    assert [one.need for one in found if not one.place] == ["0.5"]


def test_levels_that_do_not_run_for_sessions_are_told_which_were_chosen(data: Path) -> None:
    found = jobs(data, app("participant", "session"), dataset=Dataset(str(data), sessions=["a"]))
    assert [one.invocation["session_label"] for one in found] == [["a"], ["a"]]
