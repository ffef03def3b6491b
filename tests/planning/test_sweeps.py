"""Sweeps: crossed, zipped, from lists, files, ranges and columns, in an order that the request sets."""

from __future__ import annotations

import itertools
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BadRequest
from engine.planning import Point, Sweep, read_invocations
from engine.planning.sweeps import Dimension, product
from tests.planning.samples import expansions, file, number, text, tool_of

TOOL = tool_of(
    "tool [INFILE] [FRAC] [ID] [N] [L]",
    file("infile"),
    number("frac", optional=True, maximum=1),
    text("id", optional=True),
    number("n", optional=True, integer=True),
    number("l", optional=True, list=True),
)


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.nii", "a.nii", "c.txt"):
        Path(name).touch()
    Path("ids.txt").write_text("one\n\ntwo\n")
    Path("t.csv").write_text("name,age\nx,3\ny,4\n,5\n")


def points(invocation: Any, **options: Any) -> list[Point]:
    Path("i.json").write_text(json.dumps(invocation))
    return list(read_invocations(["i.json"], TOOL.tool, Sweep(**options)))


def parameters(invocation: Any, **options: Any) -> list[dict[str, Any]]:
    found = points(invocation, **options)
    assert [point.problem for point in found if point.problem] == []
    return [point.parameters for point in found]


def test_crossed_inputs_make_all_combinations_the_last_changing_fastest() -> None:
    found = points({"id": "x", "$sweep": {"cross": {"infile": ["a", "b"], "frac": [0.1, 0.2]}}})
    assert [point.parameters for point in found] == [
        {"infile": "a", "frac": 0.1},
        {"infile": "a", "frac": 0.2},
        {"infile": "b", "frac": 0.1},
        {"infile": "b", "frac": 0.2},
    ]
    assert found[3].invocation == {"id": "x", "infile": "b", "frac": 0.2}
    assert [point.index for point in found] == [0, 1, 2, 3]


def test_zipped_inputs_change_together() -> None:
    sweep = {"zip": [{"infile": ["a", "b"], "id": ["x", "y"]}, {"n": [1, 2]}]}
    assert parameters({"$sweep": sweep}) == [
        {"infile": "a", "id": "x", "n": 1},
        {"infile": "a", "id": "x", "n": 2},
        {"infile": "b", "id": "y", "n": 1},
        {"infile": "b", "id": "y", "n": 2},
    ]


@pytest.mark.parametrize(
    ("id", "spec", "values"),
    [
        ("infile", {"glob": "*.nii"}, ["a.nii", "b.nii"]),
        ("id", {"lines": "ids.txt"}, ["one", "two"]),
        ("n", {"range": [1, 7, 3]}, [1, 4, 7]),
        ("n", {"range": [3, 1, -1]}, [3, 2, 1]),
        ("frac", {"range": [0.1, 0.35, 0.1]}, [0.1, 0.2, 0.3]),
        ("n", {"file": "t.csv", "column": "age"}, [3, 4, 5]),
        ("id", {"file": "t.csv", "column": "name"}, ["x", "y"]),
        ("l", [[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_values_come_from_lists_files_ranges_and_columns(id: str, spec: Any, values: list[Any]) -> None:
    assert parameters({"$sweep": {"cross": {id: spec}}}) == [{id: value} for value in values]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("frac=0.3,0.5", [0.3, 0.5]),
        ("id=0.3,0.5", ["0.3", "0.5"]),
        ("frac=[0.3]", [0.3]),
        ("frac=range:0:0.2:0.1", [0.0, 0.1, 0.2]),
        ("n=range:1:3", [1, 2, 3]),
        ("infile=glob:*.nii", ["a.nii", "b.nii"]),
        ("id=lines:ids.txt", ["one", "two"]),
        ("n=column:t.csv:age", [3, 4, 5]),
        ('n={"range": [1, 2]}', [1, 2]),
        ("l=[[1, 2], [3]]", [[1, 2], [3]]),
    ],
)
def test_options_say_the_same_in_short(option: str, values: list[Any]) -> None:
    id = option.partition("=")[0]
    assert parameters({}, cross=[option]) == [{id: value} for value in values]


def test_zip_options_are_one_dimension_and_set_is_for_all() -> None:
    found = points({"n": 1}, cross=["frac=0.1,0.2"], zip=["infile=a,b", "id=x,y"], set=["n=7", "l=1 2"])
    assert len(found) == 4
    assert found[1].invocation == {"n": 7, "l": [1, 2], "frac": 0.1, "infile": "b", "id": "y"}


def test_options_multiply_every_invocation_of_a_list() -> None:
    found = parameters([{"infile": "a"}, {"infile": "b"}], cross=["n=1,2"])
    assert found == [{"infile": name, "n": n} for name, n in itertools.product("ab", (1, 2))]


def test_options_alone_are_enough() -> None:
    found = list(read_invocations([], TOOL.tool, Sweep(cross=["infile=glob:*.nii"])))
    assert [point.invocation for point in found] == [{"infile": "a.nii"}, {"infile": "b.nii"}]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({}, 'an object with "cross" and "zip" is needed'),
        ({"crss": {}}, 'an object with "cross" and "zip" is needed'),
        ({"cross": []}, "an object of input ids is needed"),
        ({"cross": {"frac": []}}, "no values"),
        ({"cross": {"frac": 3}}, "a list, {glob}, {lines}, {range} or {file, column} is needed"),
        ({"cross": {"frac": {"globe": "x"}}}, "{file, column} is needed, not {globe}"),
        ({"cross": {"nix": [1]}}, "sample has no input 'nix'"),
        ({"cross": {"infile": {"glob": "*.dcm"}}}, "no file matches *.dcm"),
        ({"cross": {"id": {"lines": "nothing"}}}, "nothing: No such file or directory"),
        ({"cross": {"id": {"file": "t.csv", "column": "nix"}}}, "there is no column 'nix', only name, age"),
        ({"cross": {"n": {"range": [1, 2, 0]}}}, "a range with step 0 does not lead from 1 to 2"),
        ({"cross": {"n": {"range": [1, 2, -1]}}}, "a range with step -1 does not lead from 1 to 2"),
        ({"cross": {"n": {"range": [1, 10**18]}}}, "the range has more than 1000000 values"),
        ({"cross": {"n": {"range": ["a", "b"]}}}, "a range is [first, last] or [first, last, step]"),
        ({"zip": {"id": ["a"], "n": [1, 2]}}, "the same number of values: id has 1, n has 2"),
        ({"cross": {"n": [1]}, "zip": {"n": [1]}}, "input n is swept twice"),
    ],
)
def test_a_sweep_that_means_nothing_is_refused_with_its_place(sweep: Any, message: str) -> None:
    Path("i.json").write_text(json.dumps({"infile": "a", "$sweep": sweep}))
    with pytest.raises(BadRequest) as refused:
        list(expansions(TOOL, read_invocations(["i.json"], TOOL.tool)))
    assert str(refused.value).startswith("i.json")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cross": ["frac"]}, "--cross frac: it has no value (write --cross INPUT=VALUE)"),
        (
            {"cross": ["frac=1"], "set": ["frac=2"]},
            "--set frac: --cross or --zip gives this input other values",
        ),
        ({"cross": ["nix=1"]}, "--cross: sample has no input 'nix'"),
        ({"cross": ["frac="]}, "is not a number"),
        ({"cross": ["infile=glob:*.dcm"]}, "no file matches"),
        ({"set": ["nix=1"]}, "--set: sample has no input 'nix'"),
        ({"zip": ["id=a,b", "n=1"]}, "the same number of values"),
        ({"cross": ["n=1", "n=2"]}, "input n is given twice"),
        ({"repeat": 0}, "--repeat 0: at least 1 is needed"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    Path("i.json").write_text('{"infile": "a"}')
    with pytest.raises(BadRequest) as refused:
        list(expansions(TOOL, read_invocations(["i.json"], TOOL.tool, Sweep(**options))))
    assert message in str(refused.value)


def test_swept_values_obey_the_rules_and_each_fault_is_told_once() -> None:
    Path("i.json").write_text(json.dumps({"$sweep": {"cross": {"infile": ["a", "b"], "frac": [0.1, 1.4]}}}))
    with pytest.raises(BadRequest) as refused:
        list(expansions(TOOL, read_invocations(["i.json"], TOOL.tool)))
    assert refused.value.problems == ("i.json, input frac: 1.4 is above the maximum 1",)


def test_a_file_name_that_is_not_utf_8_is_refused_by_name() -> None:
    Path(os.fsdecode(b"\xff.dcm")).touch()
    with pytest.raises(BadRequest, match=r"input infile: '\\udcff\.dcm' is not text that UTF-8 can express"):
        list(expansions(TOOL, read_invocations([], TOOL.tool, Sweep(cross=["infile=glob:*.dcm"]))))


def test_an_entry_of_a_list_may_sweep_too() -> None:
    found = parameters([{"infile": "a"}, {"infile": "b", "$sweep": {"cross": {"n": [1, 2]}}}])
    assert found == [{"infile": "a"}, {"infile": "b", "n": 1}, {"infile": "b", "n": 2}]


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4), max_size=4))
def test_the_product_is_that_of_nested_loops(values: list[list[int]]) -> None:
    dimensions = [Dimension((f"i{rank}",), [(value,) for value in row]) for rank, row in enumerate(values)]
    expected = [{f"i{rank}": value for rank, value in enumerate(row)} for row in itertools.product(*values)]
    assert list(product(dimensions)) == expected


def test_a_large_product_is_streamed_in_flat_memory() -> None:
    sweep = Sweep(cross=["infile=a", "n=range:1:50", "frac=range:0:1:0.01"])
    tracemalloc.start()
    try:
        count = sum(1 for _ in expansions(TOOL, read_invocations([], TOOL.tool, sweep)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 5050
    assert peak < 1_000_000  # kept, they are 6 MB
