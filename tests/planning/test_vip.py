"""VIP's iterations, by descriptors of our own in its style."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest
from engine.planning import CompiledTool, Point, Sweep, read_invocations
from engine.planning.lint import lint
from tests.planning.samples import expansions, file, number, text, tool_of


def tool(**custom: Any) -> CompiledTool:
    return tool_of(
        "tool [IMAGE] [MASK] [ID] [N] [HIDDEN] [L]",
        file("image"),
        file("mask", optional=True),
        text("id", optional=True),
        number("n", optional=True, integer=True),
        number("hidden", optional=True, integer=True),
        number("l", optional=True, list=True),
        custom={f"vip:{name}": value for name, value in custom.items()},
    )


def points(compiled: CompiledTool, directory: Path, values: Any, **options: Any) -> list[Point]:
    path = directory / "i.json"
    path.write_text(json.dumps(values))
    found = list(read_invocations([path], compiled.tool, Sweep(vip=True, **options)))
    assert [point.problem for point in found if point.problem] == []
    return found


def refused(compiled: CompiledTool, directory: Path, values: Any) -> str:
    path = directory / "i.json"
    path.write_text(json.dumps(values))
    with pytest.raises(BadRequest) as error:
        list(expansions(compiled, read_invocations([path], compiled.tool, Sweep(vip=True))))
    return str(error.value)


def test_lists_for_scalar_inputs_are_crossed_in_the_descriptors_order(tmp_path: Path) -> None:
    found = points(tool(), tmp_path, {"id": ["x", "y"], "image": ["a", "b"], "n": 3})
    assert [point.parameters for point in found] == [
        {"image": "a", "id": "x"},
        {"image": "a", "id": "y"},
        {"image": "b", "id": "x"},
        {"image": "b", "id": "y"},
    ]
    assert all(point.invocation["n"] == 3 for point in found)


def test_inputs_of_dot_change_together_and_first(tmp_path: Path) -> None:
    compiled = tool(dot=["image", "mask", "id"])
    found = points(compiled, tmp_path, {"n": [1, 2], "mask": ["ma", "mb"], "image": ["a", "b"]})
    assert [tuple(point.parameters.values()) for point in found] == [
        ("a", "ma", 1), ("a", "ma", 2), ("b", "mb", 1), ("b", "mb", 2),
    ]  # fmt: skip


def test_inputs_of_dot_need_equal_lengths(tmp_path: Path) -> None:
    compiled = tool(dot=["image", "mask"])
    told = refused(compiled, tmp_path, {"image": ["a", "b"], "mask": "m"})
    assert told.endswith(
        "vip:dot: inputs that are zipped need the same number of values: image has 2, mask has 1"
    )


def test_single_values_in_dot_are_one_job(tmp_path: Path) -> None:
    found = points(tool(dot=["image", "mask"]), tmp_path, {"image": "a", "mask": "m"})
    assert [point.invocation for point in found] == [{"image": "a", "mask": "m"}]


def test_an_empty_list_is_an_error(tmp_path: Path) -> None:
    assert refused(tool(), tmp_path, {"image": "a", "id": []}).endswith("input id: the list is empty")


def test_a_real_list_input_stays_one_job_and_sweeps_over_lists_of_lists(tmp_path: Path) -> None:
    assert len(points(tool(), tmp_path, {"image": "a", "l": [1, 2, 3]})) == 1
    found = points(tool(), tmp_path, {"image": "a", "l": [[1, 2], [3]]})
    assert [point.parameters for point in found] == [{"l": [1, 2]}, {"l": [3]}]


def test_without_vip_a_list_for_a_scalar_input_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text('{"image": ["a", "b"]}')
    with pytest.raises(BadRequest, match="input image: a list is not a string"):
        list(expansions(tool(), read_invocations([path], tool().tool)))


def test_a_directory_stands_for_its_matching_files(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deeper.nii").mkdir(parents=True)
    for name in ("b.nii.gz", "a.nii", "c.txt", "deeper.nii/d.nii"):
        (data / name).touch()
    compiled = tool(directoryInputs={"image": {"patterns": ["*.{nii,nii.gz}"]}})
    found = points(compiled, tmp_path, {"image": f"{data}/"})
    names = [Path(point.invocation["image"]).name for point in found]
    assert names == ["a.nii", "b.nii.gz"], "a directory in it is none of them, whatever its name"
    single = points(compiled, tmp_path, {"image": f"{data}/c.txt"})
    assert [point.parameters for point in single] == [{}]
    both = points(compiled, tmp_path, {"image": [str(data), "other.nii"]})
    assert len(both) == 3


def test_a_directory_without_matching_files_is_an_error(tmp_path: Path) -> None:
    compiled = tool(directoryInputs={"image": {"patterns": ["*.dcm"]}})
    assert "no file in" in refused(compiled, tmp_path, {"image": str(tmp_path)})


@pytest.mark.parametrize("pattern", ["{a,b}" * 20, "{" * 9 + "a" + ",b}" * 9 + "{c,d}" * 20, "{,}" * 4000])
def test_braces_that_stand_for_very_many_patterns_are_an_error(pattern: str, tmp_path: Path) -> None:
    compiled = tool(directoryInputs={"image": {"patterns": [pattern]}})
    assert "more than 1000" in refused(compiled, tmp_path, {"image": str(tmp_path)})


def test_braces_stand_for_each_of_what_is_in_them(tmp_path: Path) -> None:
    for name in ("a1x", "a2x", "b1x", "b2x", "b3x"):
        (tmp_path / name).touch()
    compiled = tool(directoryInputs={"image": {"patterns": ["{a,b}{1,2}{x}"]}})
    found = points(compiled, tmp_path, {"image": str(tmp_path)})
    names = [Path(point.invocation["image"]).name for point in found]
    assert names == ["a1x", "a2x", "b1x", "b2x"]


def test_directories_of_other_storages_are_listed_by_the_caller(tmp_path: Path) -> None:
    compiled = tool(directoryInputs={"image": {"patterns": ["*.nii"]}})
    listing = {"lfn:/vo/d": ["x.nii", "y.txt"]}
    found = points(compiled, tmp_path, {"image": "lfn:/vo/d"}, list_directory=listing.get)
    assert [point.invocation["image"] for point in found] == ["lfn:/vo/d/x.nii"]


def test_an_integer_iterator_counts_from_zero(tmp_path: Path) -> None:
    found = points(tool(intIteratorInputs=["n"]), tmp_path, {"image": "a", "n": 3})
    assert [point.parameters for point in found] == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("value", [0, -1, 1.5, [1, 2], "x", 10**9])
def test_an_iterator_needs_one_count(value: Any, tmp_path: Path) -> None:
    assert "input n: " in refused(tool(intIteratorInputs=["n"]), tmp_path, {"image": "a", "n": value})


def test_a_hidden_input_is_copied_and_goes_along_with_its_source(tmp_path: Path) -> None:
    compiled = tool(overriddenInputs={"hidden": "n"}, intIteratorInputs=["n"])
    found = points(compiled, tmp_path, {"image": "a", "n": 2})
    assert [(point.invocation["n"], point.invocation["hidden"]) for point in found] == [(0, 2), (1, 2)]
    together = points(tool(overriddenInputs={"hidden": "n"}), tmp_path, {"image": "a", "n": [5, 6]})
    assert [(point.invocation["n"], point.invocation["hidden"]) for point in together] == [(5, 5), (6, 6)]
    told = refused(compiled, tmp_path, {"image": "a", "hidden": 2})
    assert told.endswith("input hidden: it is copied from n and cannot be given")


NOON = 1_700_000_000.0


@pytest.mark.parametrize(
    ("custom", "given", "results"),
    [
        ({}, "lfn:/vo/r", "lfn:/vo/r/2023-11-14_221320"),
        ({}, "/home/me/r/", "/home/me/r/2023-11-14_221320"),
        ({"resultsDirectorySuffix": ""}, "lfn:/vo/r", "lfn:/vo/r"),
        ({"resultsDirectorySuffix": "sub"}, "lfn:/vo/r", "lfn:/vo/r/sub"),
        ({}, "girder:/r?apiurl=x", "girder:/r?apiurl=x"),
    ],
)
def test_results_go_to_a_dated_directory(custom: Any, given: str, results: str, tmp_path: Path) -> None:
    values = {"image": "a", "results-directory": given}
    found = points(tool(**custom), tmp_path, values, now=NOON)
    assert [point.results for point in found] == [results]
    assert found[0].invocation == {"image": "a"}


def test_the_results_directory_is_iterated_like_an_input(tmp_path: Path) -> None:
    values = {"image": ["a", "b"], "results-directory": ["/r1", "/r2"]}
    found = points(tool(dot=["image", "results-directory"], resultsDirectorySuffix=""), tmp_path, values)
    assert [(point.invocation["image"], point.results) for point in found] == [("a", "/r1"), ("b", "/r2")]
    assert len(points(tool(resultsDirectorySuffix=""), tmp_path, values)) == 4


def test_a_suffix_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    compiled = tool(resultsDirectorySuffix="../x")
    told = refused(compiled, tmp_path, {"image": "a", "results-directory": "/r"})
    assert "vip:resultsDirectorySuffix: '../x' is not a directory name" in told


def test_a_product_is_streamed_and_capped(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text(json.dumps({"image": [str(n) for n in range(1000)], "id": [str(n) for n in range(1000)]}))
    sweep = Sweep(vip=True, max_jobs=1000)
    with pytest.raises(BadRequest, match="more than 1000 jobs"):
        list(read_invocations([path], tool().tool, sweep))


@pytest.mark.parametrize(
    ("custom", "problem"),
    [
        ({"dot": 3}, "custom vip:dot: the id of an input, or a list of them, is needed"),
        ({"intIteratorInputs": {"n": 1}}, "custom vip:intIteratorInputs: the id of an input"),
        ({"directoryInputs": ["image"]}, "custom vip:directoryInputs: an object such as"),
        ({"directoryInputs": {"image": ["*.nii"]}}, "custom vip:directoryInputs: an object such as"),
        (
            {"directoryInputs": {"image": {"patterns": "*.nii"}}},
            "custom vip:directoryInputs: an object such as",
        ),
        ({"overriddenInputs": ["a"]}, "custom vip:overriddenInputs: an object such as"),
        ({"altContainerOpts": "--nv"}, "custom vip:altContainerOpts: a list of options is needed"),
        ({"imagepath": 3}, "custom vip:imagepath: a path is needed"),
        ({"resultsDirectorySuffix": "a b"}, "'a b' is not a directory name"),
    ],
)
def test_a_key_that_cannot_be_understood_is_refused_by_its_name(
    custom: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    compiled = tool(**custom)
    assert problem in refused(compiled, tmp_path, {"image": "a"})
    found = [f for f in lint(compiled, {}) if f.rule == "vip-key"]
    assert [(f.level, problem.removeprefix("custom ") in f"{f.message}") for f in found] == [("error", True)]


def test_a_key_that_names_no_input_is_told_by_lint_only(tmp_path: Path) -> None:
    compiled = tool(dot=["image", "results-directory", "other"])
    found = [f for f in lint(compiled, {}) if f.rule == "vip-key"]
    assert [(f.level, f.message) for f in found] == [("warning", "vip:dot: the tool has no input other")]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("vip:dots", "vip:dots: is no key of VIP, and does nothing; did you mean vip:dot?"),
        ("VIP:dot", "VIP:dot: is no key of VIP, and does nothing; did you mean vip:dot?"),
        ("vip:directoryInput", "did you mean vip:directoryInputs?"),
        ("vip:shoe-size", "vip:shoe-size: is no key of VIP, and does nothing"),
    ],
)
def test_a_key_that_is_none_of_vips_is_found(key: str, told: str) -> None:
    compiled = tool_of("tool [A]", text("a"), custom={key: ["a"]})
    assert [f.message.endswith(told) for f in lint(compiled, {}) if f.rule == "vip-key"] == [True]
