"""Values of a descriptor: defaults are checked before anybody runs it; configuration files are sound."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.cli.desk import Desk

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")
Inputs = dict[str, str | Mapping[str, Any]]
DEFAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a text for a list": ({"type": "String", "list": True, "default-value": "x"}, "'x' is not a list"),
    "above its maximum": ({"type": "Number", "maximum": 1, "default-value": 2}, "2 is above the maximum 1"),
    "no integer": ({"type": "Number", "integer": True, "default-value": 1.5}, "1.5 is not an integer"),
    "a text for a number": ({"type": "Number", "default-value": "1"}, "'1' is not a number"),
    "not among the choices": (
        {"type": "Number", "value-choices": [1, 2], "default-value": 3},
        "3 is not one of 1, 2",
    ),
    "too few entries": (
        {"type": "Number", "list": True, "min-list-entries": 2, "default-value": [1]},
        "1 entries are fewer than the minimum 2",
    ),
    "a text for a flag": (
        {"type": "Flag", "command-line-flag": "-x", "default-value": "true"},
        "'true' is not true or false",
    ),
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_a_default_that_breaks_its_own_rules_is_told_by_lint_and_by_pipeline_add(
    desk: Desk, kind: str
) -> None:
    one, problem = DEFAULTS[kind]
    tool = desk.tool("echo [X]", {"x": one})
    told = f"default-value: {problem}: whoever does not give it is refused"
    ran = desk.run("lint", tool, "--json")
    assert ran.code == 2
    assert (told, "error", "inputs x") in [
        (each["message"], each["level"], each["where"]) for each in ran.values
    ]
    added = desk.run("pipeline", "add", tool)
    assert (added.code, added.out) == (2, "")
    assert f"tool.json: {told}" in added.err


def test_a_sound_default_is_left_alone(desk: Desk) -> None:
    inputs: Inputs = {
        "x": {"type": "Number", "default-value": 1},
        "y": {"type": "String", "default-value": "a"},
    }
    ran = desk.ok("lint", desk.tool("echo [X] [Y]", inputs), "--json")
    assert not [one for one in ran.values if "default" in one["rule"]]


def test_a_default_that_needs_another_input_is_told(desk: Desk) -> None:
    inputs: Inputs = {"x": {"type": "Number", "default-value": 1, "requires-inputs": ["y"]}, "y": "String"}
    ran = desk.ok("lint", desk.tool("echo [X] [Y]", inputs), "--json")
    assert "lonely-default" in [one["rule"] for one in ran.values]


@pytest.mark.parametrize("value", ["it's", 'say "hi"', "a\nb", "back\\slash", "#5", "a: b"])
def test_a_tool_reads_in_its_configuration_file_what_the_user_said(desk: Desk, value: str) -> None:
    lines = ["{", ' "name": "[NAME]",', ' "alone": [NAME], "on": [ON]', "}"]
    tool = desk.tool(
        "cat c.json > o",
        {"name": "String", "on": {"type": "Flag", "command-line-flag": "-x"}},
        {"c": {"path-template": "c.json", "file-template": lines}, "o": "o"},
    )
    done = desk.submit(tool, desk.write("i.json", {"name": value, "on": True}), *BARE)
    assert json.loads(done.read("outputs/o")) == {"name": value, "alone": value, "on": True}
    [compat] = desk.ok("expand", tool, "i.json", "--bosh-compat").values
    assert "True" in compat["config_files"]["c.json"], "which is bosh's text"
    linted = desk.ok("lint", tool, "--json").values
    [found] = [one for one in linted if one["rule"] == "configuration-text"]
    assert found["message"] == "file-template: [NAME] as JSON has texts; bosh quotes them for a shell"


def test_a_value_that_its_configuration_file_cannot_hold_is_refused_with_its_input(desk: Desk) -> None:
    tool = desk.tool(
        "cat c.ini", {"name": "String"}, {"c": {"path-template": "c.ini", "file-template": ["x = [NAME]"]}}
    )
    ran = desk.run("submit", tool, desk.write("i.json", {"name": "1\n[evil]"}), *BARE)
    assert (ran.code, desk.debris()) == (2, [])
    assert "input name: a line break, or another control character, cannot be written there (c)" in ran.err
