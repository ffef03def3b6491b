"""Random descriptors and invocations: our text and verdict beside those of the reference library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine.planning import CompiledTool, InvocationError
from engine.planning.parsing import parse_tool
from tests.planning.reference import Text, reference
from tests.planning.samples import descriptor_of

pytestmark = pytest.mark.whole

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.text("ab /.'\"$;*\\-=é", max_size=8)
"""No brackets: a value that holds a key is where the reference library is wrong."""
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def inputs(draw: Callable[[st.SearchStrategy[Any]], Any], rank: int) -> dict[str, Any]:
    """One input, whose key is `[I<rank>]`."""
    kind = draw(st.sampled_from(["String", "File", "Number", "Flag"]))
    one: dict[str, Any] = {"id": f"i{rank}", "type": kind, "value-key": f"[I{rank}]"}
    if kind == "Flag":
        return {**one, "optional": True, "command-line-flag": draw(st.sampled_from(["-f", "--flag"]))}
    one["optional"] = draw(st.booleans())
    if draw(st.booleans()):
        one["command-line-flag"] = f"-x{rank}"
        if draw(st.booleans()):
            one["command-line-flag-separator"] = draw(st.sampled_from(["", "=", " "]))
    if draw(st.booleans()):
        one["list"] = True
        if draw(st.booleans()):
            one["list-separator"] = draw(st.sampled_from([",", ":", " -y "]))
    if kind == "Number":
        one["integer"] = draw(st.booleans())
        if draw(st.booleans()):
            one["minimum"] = draw(st.integers(-10, 10))
    elif kind == "String" and draw(st.booleans()):
        one["value-choices"] = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
    return one


@st.composite
def requests(draw: Callable[[st.SearchStrategy[Any]], Any]) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """A descriptor, and an invocation that is mostly acceptable."""
    ones = [draw(inputs(rank)) for rank in range(draw(st.integers(1, 4)))]
    line = "tool" + "".join(draw(st.sampled_from([" ", " x", "\t"])) + one["value-key"] for one in ones)
    template = draw(st.sampled_from(["out", "d/out.txt", "*.nii"])) + "".join(
        f"_{one['value-key']}" for one in ones if draw(st.booleans())
    )
    output: dict[str, Any] = {"id": "o", "path-template": template, "value-key": "[O]"}
    if draw(st.booleans()):
        output["path-template-stripped-extensions"] = [".a", "b"]
    descriptor = descriptor_of(f"{line} > [O]", *ones, outputs=[output])
    values = {one["id"]: draw(values_of(one)) for one in ones if not one["optional"] or draw(st.booleans())}
    return descriptor.data, values


def values_of(one: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values for an input; now and then one that does not fit."""
    if one["type"] == "Flag":
        return st.booleans()
    single: st.SearchStrategy[Any] = NUMBERS if one["type"] == "Number" else WORDS
    if "value-choices" in one:
        single = st.sampled_from(one["value-choices"])
    fitting = st.lists(single, max_size=3) if one.get("list") else single
    return st.one_of(fitting, fitting, fitting, st.none() | WORDS | NUMBERS | st.booleans() | st.just([]))


def ours(data: Mapping[str, Any], invocation: Mapping[str, Any], *, compat: bool) -> Text | None:
    try:
        found = CompiledTool(parse_tool(data), compat=compat).expand(invocation)
    except InvocationError:
        return None
    return Text(found.command_line, {file.id: file.path for file in found.output_files})


@SLOW
@given(requests())
def test_verdict_and_compat_text_are_those_of_the_reference_library(request: Any) -> None:
    data, invocation = request
    assume(invocation)  # it does not check an empty invocation
    assert ours(data, invocation, compat=True) == reference(data, invocation)


@SLOW
@given(requests())
def test_our_text_differs_only_where_the_reference_library_leaves_keys_behind(request: Any) -> None:
    data, invocation = request
    assume(invocation)
    theirs = reference(data, invocation)
    mine = ours(data, invocation, compat=False)
    assert (mine is None) == (theirs is None)
    if mine is not None and theirs is not None and "[" not in theirs.command_line:
        assert mine == theirs


@pytest.mark.parametrize("turn", range(2))
def test_the_comparison_sees_accepted_and_refused_invocations(turn: int) -> None:
    data = descriptor_of("tool [A]", {"id": "a", "type": "Number", "value-key": "[A]", "minimum": 0}).data
    assert reference(data, {"a": turn}) == Text(f"tool {turn}", {})
    assert reference(data, {"a": -1 - turn}) is None
