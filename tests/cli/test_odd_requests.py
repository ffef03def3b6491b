"""Requests that look odd and mean something clear: they run; what does not is told with what helps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")


def expanded(desk: Desk, tool: str, invocation: Any, *words: str, code: int = 0) -> list[Any]:
    """The lines of `engine expand`."""
    ran = desk.run("expand", tool, desk.write("i.json", invocation), *words)
    assert ran.code == code, ran
    return ran.values


def commands(desk: Desk, tool: str, invocation: Any, *words: str) -> list[str]:
    return [str(one["command_line"]) for one in expanded(desk, tool, invocation, *words)]


# --- keys that stand twice ------------------------------------------------------------------------


def test_a_key_that_stands_twice_with_the_same_value_is_taken(desk: Desk) -> None:
    text = (desk.directory / desk.tool("echo [TEXT]")).read_text()
    twice = text.replace('"name": "tool",', '"name": "tool", "custom": {"a": [1, 2]}, "name": "tool",')
    assert twice != text
    desk.write("twice.json", twice.replace('"custom"', '"custom": {"a":[1,2]}, "custom"'))
    assert commands(desk, "twice.json", '{"text": "x", "text": "x"}') == ["echo x"]
    desk.submit("twice.json", desk.write("i.json", '{"text": "x", "text": "x"}'), *BARE)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 2), (1, True), (1, 1.0), ([1], [1, 1]), ("1", 1), (None, False), (0.0, -0.0), ({"a": 1}, {"a": 2})],
)
def test_a_key_that_stands_twice_with_different_values_is_refused(desk: Desk, one: Any, other: Any) -> None:
    text = (desk.directory / desk.tool("echo [TEXT]")).read_text().rstrip("}")
    desk.write("twice.json", f'{text}, "custom": {json.dumps(one)}, "custom": {json.dumps(other)}}}')
    ran = desk.run("lint", "twice.json")
    assert ran.code == 2
    assert 'the key "custom" appears twice in one object, with different values' in ran.err


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "file://localhost{}"])
def test_a_file_url_with_one_slash_or_more_is_a_file_of_this_machine(desk: Desk, form: str) -> None:
    tool = desk.tool("cat [F] > o", {"f": "File"}, {"o": "o"})
    path = desk.directory / "a b.txt"
    path.write_text("content")
    url = form.format(str(path).replace(" ", "%20"))
    done = desk.submit(tool, desk.write("i.json", {"f": url}), *BARE)
    assert done.read("outputs/o") == "content"


def test_a_file_url_of_another_machine_is_refused(desk: Desk) -> None:
    tool = desk.tool("cat [F]", {"f": "File"})
    ran = desk.run("submit", tool, desk.write("i.json", {"f": "file://elsewhere/etc/hostname"}), *BARE)
    assert (ran.code, desk.debris()) == (2, [])
    assert "input f: file://elsewhere/etc/hostname: a file of the machine elsewhere" in ran.err


def test_an_empty_file_name_is_told_with_its_input(desk: Desk) -> None:
    tool = desk.tool("cat [F]", {"f": "File"})
    ran = desk.run("submit", tool, desk.write("i.json", {"f": ""}), *BARE)
    assert (ran.code, ran.lines) == (2, ["engine: i.json, input f: '' has no file name"])


# --- options of containers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["-v", "/tmp:/tmp"],
        ["-v /tmp:/tmp"],
        ["-v/tmp:/tmp:rw"],
        ["--volume=/tmp:/tmp", "-v", "/var/tmp/:/var/tmp"],
        ["-v", "$PWD:$PWD"],
        ["-v", "$PWD:${PWD}:ro"],
        ["--mount", "type=bind,source=/tmp,target=/tmp"],
    ],
)
def test_a_mount_that_every_job_has_anyway_is_taken(desk: Desk, options: list[str]) -> None:
    tool = desk.tool("echo [TEXT]")
    data = json.loads((desk.directory / tool).read_text())
    data["container-image"] = {"type": "docker", "image": "example.org/x:1", "container-opts": options}
    ran = desk.run("lint", desk.write(tool, data), "--json")
    assert not [one for one in ran.values if one["rule"] == "container-option"], ran.out


@pytest.mark.parametrize("mount", ["/tmp:/data", "/data:/tmp", "/tmp/x:/tmp/x", "$PWD:/work", "/tmpx:/tmpx"])
def test_any_other_mount_is_refused(desk: Desk, mount: str) -> None:
    tool = desk.tool("echo [TEXT]")
    data = json.loads((desk.directory / tool).read_text())
    data["container-image"] = {"type": "docker", "image": "example.org/x:1", "container-opts": ["-v", mount]}
    ran = desk.run("lint", desk.write(tool, data), "--json")
    assert [one["level"] for one in ran.values if one["rule"] == "container-option"] == ["error"]


# --- VIP ------------------------------------------------------------------------------------------


@pytest.fixture
def vip(desk: Desk) -> str:
    number = {"type": "Number", "integer": True}
    inputs = {"n": number, "s": "String", "many": {"type": "String", "list": True}, "x": {"type": "Flag"}}
    inputs["x"]["command-line-flag"] = "-x"  # type: ignore[index]
    custom = {"vip:intIteratorInputs": ["n"], "vip:dot": ["s", "many"]}
    return desk.tool("echo [N] [S] [MANY] [X]", inputs, custom=custom)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [["a", "b"], ["a"], []])
def test_a_vip_request_without_vip_is_refused_with_the_option(desk: Desk, vip: str, value: Any) -> None:
    [line] = expanded(desk, vip, {"s": value}, code=2)
    assert (
        line["error"] == "i.json, input s: a list is not a string; with --vip a list is a job for each entry"
    )


def test_a_results_directory_without_vip_is_refused_with_the_option(desk: Desk, vip: str) -> None:
    [line] = expanded(desk, vip, {"results-directory": "/vip/Home/out"}, code=2)
    assert line["error"].endswith("unknown input 'results-directory'; it is VIP's, with --vip")


@pytest.mark.parametrize("count", [2, "2", [2], ["2"]])
def test_a_number_of_iterations_is_one_value_or_a_list_of_one(desk: Desk, vip: str, count: Any) -> None:
    assert commands(desk, vip, {"n": count}, "--vip") == ["echo 0", "echo 1"]


def test_values_of_a_vip_request_are_text_and_become_what_the_tool_takes(desk: Desk, vip: str) -> None:
    assert commands(desk, vip, {"x": "true", "s": ["1", "2"]}, "--vip") == ["echo 1 -x", "echo 2 -x"]
    [line] = expanded(desk, vip, {"x": "perhaps"}, "--vip", code=2)
    assert "input x: 'perhaps' is not true or false" in line["error"]


def test_a_list_input_that_is_iterated_has_a_list_of_one_each_time(desk: Desk, vip: str) -> None:
    assert commands(desk, vip, {"many": "a"}, "--vip") == ["echo a"]
    assert commands(desk, vip, {"s": ["1", "2"], "many": ["a", "b"]}, "--vip") == ["echo 1 a", "echo 2 b"]
    assert commands(desk, vip, {"many": ["a", "b"]}, "--vip") == ["echo a b"], "alone it is one value"
    swept = {"$sweep": {"cross": {"many": ["a", ["b", "c"]]}}}
    assert commands(desk, vip, swept) == ["echo a", "echo b c"]


def test_a_directory_input_stands_for_files_only(desk: Desk) -> None:
    directory = desk.directory / "data set"
    (directory / "deeper.nii").mkdir(parents=True)
    for name in ("a.nii", "b%20.nii", "c.txt"):
        (directory / name).touch()
    (directory / "dangling.nii").symlink_to("nowhere")
    (directory / "link.nii").symlink_to("a.nii")
    tool = desk.tool("cat [F]", {"f": "File"}, custom={"vip:directoryInputs": {"f": {"patterns": ["*.nii"]}}})
    for given in (str(directory), f"file:{directory}".replace(" ", "%20")):
        ran = desk.ok("plan", tool, desk.write("i.json", {"f": given}), "--vip", *BARE, "--json")
        names = [each["as"] for one in ran.values for each in one["inputs"]]
        assert names == ["a.nii", "b%20.nii", "link.nii"], given
