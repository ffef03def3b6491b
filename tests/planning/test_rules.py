"""Which invocations a descriptor accepts, and the words in which others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from engine.planning import CompiledTool, InvocationError
from tests.planning.samples import file, flag, number, text, tool_of


def refusal(compiled: CompiledTool, **invocation: Any) -> tuple[str, ...]:
    with pytest.raises(InvocationError) as refused:
        compiled.expand(invocation)
    return refused.value.problems


def accepted(compiled: CompiledTool, **invocation: Any) -> dict[str, Any]:
    return compiled.expand(invocation).invocation


OPTIONAL = {"optional": True}


@pytest.mark.parametrize(
    ("one", "value", "problem"),
    [
        (text("a"), 3, "3 is not a string"),
        (text("a"), None, "null is not a string"),
        (text("a"), ["x"], "a list is not a string; with --vip a list is a job for each entry"),
        (text("a"), {"x": 1}, "an object is not a string"),
        (file("a"), True, "true is not a string"),
        (number("a"), "3", "'3' is not a number"),
        (number("a"), True, "true is not a number"),
        (number("a"), float("nan"), "nan is not a finite number"),
        (number("a", integer=True), 1.0, "1.0 is not an integer"),
        (number("a", minimum=0), -1, "-1 is below the minimum 0"),
        (number("a", maximum=1), 1.4, "1.4 is above the maximum 1"),
        (number("a", minimum=0, **{"exclusive-minimum": True}), 0, "0 is not above the minimum 0"),
        (number("a", maximum=1, **{"exclusive-maximum": True}), 1, "1 is not below the maximum 1"),
        (text("a", **{"value-choices": ["x", "y"]}), "z", "'z' is not one of x, y"),
        (number("a", **{"value-choices": [1, 2]}), True, "true is not one of 1, 2"),
        (flag("a"), 1, "1 is not true or false"),
        (text("a", list=True), "x", "'x' is not a list"),
        (text("a", list=True), ["x", 2], "entry 2: 2 is not a string"),
        (text("a", list=True, **{"min-list-entries": 2}), ["x"], "1 entries are fewer than the minimum 2"),
        (
            text("a", list=True, **{"max-list-entries": 1}),
            ["x", "y"],
            "2 entries are more than the maximum 1",
        ),
        (text("a"), "x" * 100 + "\0", "a NUL character cannot be passed to a program"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(one: Any, value: Any, problem: str) -> None:
    assert refusal(tool_of("tool [A]", one), a=value) == (f"input a: {problem}",)


@pytest.mark.parametrize(
    ("one", "value"),
    [
        (number("a", **{"value-choices": [1, "auto"]}), 1.0),
        (number("a", **{"value-choices": [1, "auto"]}), "auto"),
        (number("a", minimum=0, **{"value-choices": ["auto"]}), "auto"),
        (number("a", integer=True), 2**70),
        (text("a"), ""),
        (text("a", list=True), []),
    ],
)
def test_unusual_values_that_fit_are_accepted(one: Any, value: Any) -> None:
    assert accepted(tool_of("tool [A]", one), a=value) == {"a": value}


def test_all_problems_are_told_at_once() -> None:
    compiled = tool_of("tool [A] [B] [C]", text("a"), number("b"), text("c"))
    assert refusal(compiled, a=1, b="x", infile="y") == (
        "input a: 1 is not a string",
        "input b: 'x' is not a number",
        "unknown input 'infile'",
        "input c: is required",
    )


def test_a_misspelt_input_is_recognised() -> None:
    compiled = tool_of("tool [IN_FILE]", file("in_file"))
    assert refusal(compiled, in_flie="x")[0] == "unknown input 'in_flie' (did you mean in_file?)"


def test_an_empty_invocation_is_checked() -> None:
    assert refusal(tool_of("tool [A]", text("a"))) == ("input a: is required",)


def test_a_default_fills_in_for_absence_and_for_null() -> None:
    compiled = tool_of("tool [A] [B]", text("a", **{"default-value": "x"}), text("b", **OPTIONAL))
    assert accepted(compiled) == {"a": "x"}
    assert accepted(compiled, a=None, b="y") == {"a": "x", "b": "y"}


def test_a_required_input_may_be_another_input_or_a_group() -> None:
    compiled = tool_of(
        "tool [A] [B] [C] [F]",
        text("a", **OPTIONAL, **{"requires-inputs": ["b"]}),
        text("b", **OPTIONAL),
        text("c", **OPTIONAL),
        flag("f", **{"requires-inputs": ["g"]}),
        groups=[{"id": "g", "name": "g", "members": ["b", "c"]}],
    )
    assert refusal(compiled, a="x") == ("input a: needs b",)
    assert accepted(compiled, a="x", b="y")
    assert refusal(compiled, f=True) == ("input f: needs one of b, c",)
    assert accepted(compiled, f=True, c="y")
    assert accepted(compiled, f=False)


def test_a_flag_satisfies_only_when_it_is_true() -> None:
    compiled = tool_of("tool [A] [F]", text("a", **OPTIONAL, **{"requires-inputs": ["f"]}), flag("f"))
    assert refusal(compiled, a="x", f=False) == ("input a: needs f",)
    assert accepted(compiled, a="x", f=True)


def test_inputs_that_exclude_each_other_are_refused_together() -> None:
    members = [flag("a"), flag("b"), text("c", **OPTIONAL)]
    group = {"id": "g", "name": "g", "members": ["a", "b", "c"], "mutually-exclusive": True}
    compiled = tool_of("tool [A] [B] [C]", *members, groups=[group])
    assert refusal(compiled, a=True, c="x") == ("input a: cannot be used together with c",)
    assert accepted(compiled, a=False, b=True)
    lenient = tool_of("tool [A] [B] [C]", *members, groups=[{**group, "mutually-exclusive": False}])
    assert accepted(lenient, a=True, c="x")


def test_one_of_a_group_may_be_required() -> None:
    group = {"id": "g", "name": "g", "members": ["a", "b"], "one-is-required": True}
    compiled = tool_of("tool [A] [B]", flag("a"), text("b", **OPTIONAL), groups=[group])
    assert refusal(compiled, a=False) == ("group g: one of a, b is required",)
    assert accepted(compiled, a=True)
    assert accepted(compiled, b="x")


def test_all_or_none_of_a_group_may_be_required() -> None:
    group = {"id": "g", "name": "g", "members": ["a", "b"], "all-or-none": True}
    compiled = tool_of("tool [A] [B]", flag("a"), text("b", **OPTIONAL), groups=[group])
    assert refusal(compiled, b="x") == ("group g: b cannot be used without a",)
    assert accepted(compiled, a=True, b="x")
    assert accepted(compiled) == {}


def test_a_value_may_require_and_disable_other_inputs() -> None:
    compiled = tool_of(
        "tool [A] [B] [C]",
        text(
            "a",
            **{
                "value-choices": ["x", "y"],
                "value-requires": {"x": ["b"], "y": []},
                "value-disables": {"x": [], "y": ["b", "c"]},
            },
        ),
        text("b", **OPTIONAL),
        text("c", **OPTIONAL, **{"default-value": "d"}),
    )
    assert refusal(compiled, a="x") == ("input a: the value x needs b",)
    assert refusal(compiled, a="y", b="z") == ("input a: the value y cannot be used together with b",)
    assert accepted(compiled, a="x", b="z") == {"a": "x", "b": "z", "c": "d"}
    assert accepted(compiled, a="y") == {"a": "y"}
    assert accepted(compiled, a="y", c="d") == {"a": "y"}  # a supplied default is no choice
    assert refusal(compiled, a="y", c="e") == ("input a: the value y cannot be used together with c",)


def test_a_default_yields_to_what_the_user_chose() -> None:
    compiled = tool_of(
        "tool [A] [B]",
        text("a", **OPTIONAL, **{"disables-inputs": ["b"]}),
        text("b", **OPTIONAL, **{"default-value": "d"}),
    )
    assert accepted(compiled) == {"b": "d"}
    assert accepted(compiled, a="x") == {"a": "x"}
    assert refusal(compiled, a="x", b="y") == ("input a: cannot be used together with b",)
    other = tool_of(
        "tool [A] [B]",
        text("a", **OPTIONAL, **{"disables-inputs": ["b"], "default-value": "d"}),
        text("b", **OPTIONAL),
    )
    assert accepted(other, b="y") == {"b": "y"}


def test_an_embedded_invocation_schema_cannot_switch_the_rules_off() -> None:
    compiled = tool_of("tool [A]", number("a", maximum=1), invocation_schema={"type": "object"})
    assert refusal(compiled, a=2) == ("input a: 2 is above the maximum 1",)


def test_a_flood_of_mistakes_is_told_in_few_words() -> None:
    problems = refusal(tool_of("tool [A]", text("a")), **{f"{'x' * 1000}{turn}": 1 for turn in range(10_000)})
    assert len(problems) <= 21
    assert max(map(len, problems)) < 150
