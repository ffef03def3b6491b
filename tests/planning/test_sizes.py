"""What no program can be started with is told while planning; what fits is let through."""

from __future__ import annotations

import subprocess

import pytest

from engine.planning import InvocationError
from engine.planning.sizes import LONGEST_TEXT, MOST
from tests.planning.samples import text, tool_of

LIST = {"list": True}


def test_the_kernel_takes_what_we_take_for_the_longest_argument_and_no_more() -> None:
    subprocess.run(["/bin/true", "x" * LONGEST_TEXT], check=True)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true", "x" * (LONGEST_TEXT + 1)], check=True)


@pytest.mark.parametrize("command", ["tool [A]", 'cd x && tool --a="[A]" > o', "x=$(tool '[A]')"])
def test_a_value_that_no_program_takes_is_refused_by_its_input(command: str) -> None:
    compiled = tool_of(command, text("a"), text("b", optional=True))
    compiled.expand({"a": "x" * (LONGEST_TEXT - 10)}, stage=True)
    for value in ("x" * (LONGEST_TEXT + 1), "é" * (LONGEST_TEXT // 2 + 1)):
        with pytest.raises(InvocationError, match=r"input a: 131,.* bytes in one argument"):
            compiled.expand({"a": value, "b": "y"}, stage=True)


@pytest.mark.parametrize(
    "command", ["echo [A] > f", "cat <<END > f\n[A]\nEND", "printf '%s' [A] | tool", ": [A]", "x=[A]"]
)
def test_what_starts_no_program_is_let_through(command: str) -> None:
    tool_of(command, text("a")).expand({"a": "x" * (LONGEST_TEXT + 1)}, stage=True)


def test_a_list_that_is_too_long_in_all_is_refused() -> None:
    compiled = tool_of("tool [A]", text("a", **LIST))
    compiled.expand({"a": ["x" * 91] * (MOST // 100 - 2)}, stage=True)
    with pytest.raises(InvocationError, match=r"input a: .* bytes of arguments; a program takes"):
        compiled.expand({"a": ["x" * 91] * (MOST // 100 + 100)}, stage=True)


def test_entries_joined_to_one_argument_count_together() -> None:
    compiled = tool_of("tool [A]", text("a", **LIST, **{"list-separator": ","}))
    with pytest.raises(InvocationError, match=r"input a: .* in one argument"):
        compiled.expand({"a": ["x" * 99] * 1400}, stage=True)


def test_a_variable_that_is_too_long_is_refused() -> None:
    variables = [{"name": "V", "value": "[A]"}]
    compiled = tool_of("tool # [A]", text("a"), **{"environment-variables": variables})
    with pytest.raises(InvocationError, match=r"variable V: 131,080 bytes; one variable"):
        compiled.expand({"a": "x" * (LONGEST_TEXT + 9)}, stage=True)
