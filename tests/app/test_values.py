"""Values as clients send them: all text, made into what the descriptor wants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.app.portal import passwords
from engine.app.portal.carmin import CarminError
from engine.app.portal.values import invocation
from engine.domain.tool import InputType, Tool, ToolInput

TOOL = Tool(
    name="tool",
    version="1",
    command_line="x",
    inputs=(
        ToolInput("n", InputType.NUMBER, integer=True, optional=True),
        ToolInput("x", InputType.NUMBER, optional=True),
        ToolInput("f", InputType.FLAG, optional=True),
        ToolInput("s", InputType.STRING, optional=True),
        ToolInput("file", InputType.FILE, optional=True),
        ToolInput("ns", InputType.NUMBER, list=True, optional=True),
        ToolInput("hidden", InputType.STRING),
    ),
    custom={"vip:overriddenInputs": {"hidden": "s"}},
)


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ({"n": "7"}, {"n": 7}),
        ({"n": 7}, {"n": 7}),
        ({"x": "2.5"}, {"x": 2.5}),
        ({"f": "true"}, {"f": True}),
        ({"f": False}, {"f": False}),
        ({"s": 7}, {"s": "7"}),
        ({"n": ["1", "2"]}, {"n": [1, 2]}),
        ({"ns": ["1", "2"]}, {"ns": [1, 2]}),
        ({"ns": [["1", "2"], ["3"]]}, {"ns": [[1, 2], [3]]}),
        ({"ns": "1"}, {"ns": [1]}),
        ({"s": "Zoë (a) [b] x=1&y?"}, {"s": "Zoë (a) [b] x=1&y?"}),
        ({"file": "/vip/Home/it's.txt"}, {"file": "/vip/Home/it's.txt"}),
        ({"results-directory": "/vip/Home"}, {}),
        ({"s": None}, {}),
    ],
)
def test_text_becomes_what_the_input_is(given_: dict[str, Any], made: dict[str, Any]) -> None:
    assert invocation(TOOL, given_) == made


@pytest.mark.parametrize(
    "text", ["a;b", "$(id)", "`id`", "a|b", "a>b", 'a"b', "a'b", "a\nb", "a\\b", "*", "\0"]
)
def test_what_a_shell_could_take_for_more_than_text_is_refused(text: str) -> None:
    with pytest.raises(CarminError, match="input s"):
        invocation(TOOL, {"s": text})


def test_nobody_gives_an_input_that_copies_another() -> None:
    with pytest.raises(CarminError, match="no such input"):
        invocation(TOOL, {"hidden": "x"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([one.id for one in TOOL.inputs] + ["$sweep", "other"]), json_values))
def test_whatever_is_sent_is_an_invocation_or_refused(values: dict[str, Any]) -> None:
    try:
        made = invocation(TOOL, values)
    except CarminError:
        return
    assert set(made) <= {one.id for one in TOOL.inputs}


def test_keys_are_long_and_passwords_are_slow_and_salted() -> None:
    assert len({passwords.new_key() for _ in range(10)}) == 10
    assert all(len(passwords.new_key()) >= 43 for _ in range(10))
    kept = passwords.stored("correct horse battery")
    assert kept != passwords.stored("correct horse battery")
    assert passwords.matches("correct horse battery", kept)
    assert not passwords.matches("wrong", kept)
    assert not passwords.matches("", "")
