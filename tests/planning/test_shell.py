"""Values are words, whatever they hold: rendered lines are run in real shells."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.planning import CompiledTool, InvocationError
from engine.planning.positions import positions
from engine.planning.shell import Context, Scanner, quote, quote_in_double, quote_in_single
from engine.planning.template import Keys
from tests.planning.attack import Victim, hostile, payloads
from tests.planning.conformance import key_of, tools, vectors
from tests.planning.samples import number, text, tool_of

pytestmark = pytest.mark.whole

SHELLS = ("dash", "bash")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def printed(shell: str, line: str) -> str:
    done = subprocess.run([shell, "-c", line], stdout=subprocess.PIPE, check=True, timeout=60)
    return done.stdout.decode()


@given(TEXT)
def test_quoting_a_word_is_what_the_standard_library_does(text: str) -> None:
    assert quote(text) == shlex.quote(text)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_every_quoted_text_as_itself(shell: str) -> None:
    texts = [
        *payloads(["[A]"]),
        "",
        "a b",
        "it's",
        'say "hi"',
        "\\",
        "\\\\'",
        "é✓",
        "!!",
        "~root",
        "-n",
        "%s%%",
    ]
    words = [quote(text) for text in texts]
    words += [f'"{quote_in_double(text)}"' for text in texts]
    words += [f"'{quote_in_single(text)}'" for text in texts]
    assert printed(shell, "printf '%s\\001' " + " ".join(words)).split("\1")[:-1] == texts * 3


BARE = [
    "tool [A]",
    "x=1; tool [A]",
    "tool $(cat [A])",
    'tool "$(cat [A])"',
    "tool x[A]y",
    "(cd x && tool [A])",
]
SINGLE = ["tool '[A]'", "tool 'x [A] y'", "x \"$(tool '[A]')\""]
DOUBLE = [
    'tool "[A]"',
    'tool "$x [A]"',
    'tool "a \\" [A]"',
    'tool "it\'s [A]"',
    'if [ -z "[A]" ]; then x; fi',
]
EXPOSED = [
    "tool `cat [A]`",
    'tool "`cat [A]`"',
    "$(tool '[A]')",  # its output is a command
    "sh -c '[A]'",
    'bash -c "tool [A]"',
    "sh -c [A]",
    "/bin/sh -ec [A]",
    "eval [A]",
    'eval "tool [A]"',
    "python3 -c 'print(\"[A]\")'",
    "awk '{ print \"[A]\" }' f",
    "sed 's/x/[A]/' f",
    "ssh host [A]",
    "xargs sh -c 'x [A]'",
    'su user -c "[A]"',
    "echo [A] | sh",
    "echo [A] | xargs -n 1 bash -c",
    "cat <<EOF\n[A]\nEOF",
    "cat <<'EOF' > f\nx [A]\nEOF\ntool",
    "tool # [A]",
    "echo $(( [A] + 1 ))",
    "(( x = [A] ))",
    "echo ${x:-[A]}",
    'echo "${x:-[A]}"',
    "echo $[A]",
    'echo "$[A]"',
    "echo $'[A]'",
    "echo \\[A]",
    'echo "\\[A]"',
    "let x=[A]",
    "[[ [A] -eq 1 ]]",
    "echo $(case x in x) echo [A];; esac)",
    "trap '[A]' EXIT",
]


@pytest.mark.parametrize(
    ("line", "context"),
    [
        (line, context)
        for lines, context in (
            (BARE, Context.BARE),
            (SINGLE, Context.SINGLE),
            (DOUBLE, Context.DOUBLE),
            (EXPOSED, Context.EXPOSED),
        )
        for line in lines
    ],
)
def test_the_place_of_a_key_is_recognised(line: str, context: Context) -> None:
    tool = text_tool(line).tool
    assert [place["a"].context for place in positions(tool, Keys(tool))] == [context]


def test_after_a_quoted_part_the_line_is_bare_again() -> None:
    scanner = Scanner()
    scanner.feed("tool 'a' \"b $(c 'd') e\" f\\' # not [A]\n")
    assert scanner.context is Context.BARE


def text_tool(line: str, **more: Any) -> CompiledTool:
    return tool_of(line, text("a", **more))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("line", BARE + SINGLE + DOUBLE)
def test_where_quoting_protects_nothing_of_the_attackers_runs(shell: str, line: str, tmp_path: Path) -> None:
    victim, compiled = Victim(tmp_path), text_tool(line)
    for payload in payloads(["[A]"]):
        rendered = compiled.expand({"a": payload}).command_line
        assert victim.run(shell, rendered) == [], rendered


@pytest.mark.parametrize("line", EXPOSED)
def test_where_quoting_does_not_protect_only_harmless_values_are_accepted(line: str) -> None:
    compiled = text_tool(line)
    assert compiled.exposed == ("a",)
    assert "sub-01_T1w.nii.gz" in compiled.expand({"a": "sub-01_T1w.nii.gz"}).command_line
    for payload in payloads(["[A]"]):
        with pytest.raises(InvocationError, match="only letters, digits and"):
            compiled.expand({"a": payload})


def test_numbers_and_choices_of_the_author_are_accepted_everywhere() -> None:
    chosen = text_tool("sh -c 'x [A]'", **{"value-choices": ["a b", "c"]})
    assert chosen.expand({"a": "a b"}).command_line == "sh -c 'x 'a b''"
    counted = tool_of("echo $(( [A] + 1 ))", number("a"))
    assert counted.expand({"a": -3.5}).command_line == "echo $(( -3.5 + 1 ))"


def test_a_flag_that_opens_a_quote_is_part_of_the_line(tmp_path: Path) -> None:
    opening = {"command-line-flag": '--x="', "command-line-flag-separator": ""}
    compiled = tool_of('tool [A]" [B]', text("a", **opening), text("b"))
    victim = Victim(tmp_path)
    for payload in payloads([]):
        assert victim.run("dash", compiled.expand({"a": payload, "b": "x"}).command_line) == []
    with pytest.raises(InvocationError, match="input b"):  # without a, b would stand elsewhere
        compiled.expand({"a": "x", "b": "; touch x"})


@pytest.mark.parametrize("separator", ["', !", ' "', "`"])
def test_a_separator_with_half_a_quote_exposes_the_entries_of_a_list(separator: str) -> None:
    compiled = text_tool("tool [A]", list=True, **{"list-separator": separator})
    assert compiled.expand({"a": ["x", "y"]}).command_line == f"tool x{separator}y"
    with pytest.raises(InvocationError):
        compiled.expand({"a": ["x", ";touch y;"]})


SYNTAX = {
    **{sign: [f"a b{sign}touch"] for sign in (*";|&><*?$(){}!~#\\", "\n", "&&", "<(")},
    " && ": ["a b", "&&", "touch"],
    "; ": ["a b;", "touch"],
    " # ": ["a b", "#", "touch"],
    " \\": ["a b", "\\touch"],
    " -f ": ["a b", "-f", "touch"],
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("separator", SYNTAX)
def test_a_separator_that_is_shell_syntax_reaches_the_tool_as_text(
    shell: str, separator: str, tmp_path: Path
) -> None:
    several = {"list": True, "list-separator": separator}
    line = text_tool("printf '%s\\001' [A]", **several).expand({"a": ["a b", "touch"]}).command_line
    assert printed(shell, line).split("\1")[:-1] == SYNTAX[separator]
    victim, compiled = Victim(tmp_path), text_tool("echo [A]", **several)
    for payload in payloads(["[A]"]):
        assert victim.run(shell, compiled.expand({"a": ["x", payload, "touch"]}).command_line) == []


def test_an_output_path_with_hostile_values_is_quoted_too(tmp_path: Path) -> None:
    compiled = tool_of(
        "tool > [OUT]",
        text("a"),
        outputs=[{"id": "o", "path-template": "[A].txt", "value-key": "[OUT]"}],
    )
    victim = Victim(tmp_path)
    for payload in payloads([]):
        rendered = compiled.expand({"a": payload}).command_line
        assert victim.run("dash", rendered) == [], rendered


def samples() -> dict[tuple[str, str], dict[str, Any]]:
    """For each descriptor, an acceptable invocation with as many inputs as any."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for vector in vectors():
        key, invocation = key_of(vector), vector["invocation"]
        if vector["expect"] == "ok" and len(invocation) > len(best.get(key, {})):
            best[key] = invocation
    return best


@pytest.mark.parametrize("turn", range(3))
def test_hostile_values_run_nothing_with_any_conformance_descriptor(turn: int, tmp_path: Path) -> None:
    victim, accepted = Victim(tmp_path), 0
    shells = ("dash", "bash", "dash")
    for place, (key, invocation) in enumerate(samples().items()):
        values = hostile(tools()[key].tool, invocation, 11 * turn + place)
        try:
            line = tools()[key].expand(values).command_line
        except InvocationError:
            continue
        accepted += 1
        assert victim.run(shells[turn], line) == [], (key, json.dumps(values), line)
    assert accepted > 600


def test_the_attack_does_run_against_the_text_of_the_reference_library(tmp_path: Path) -> None:
    victim = Victim(tmp_path)
    tool = tool_of("echo [A] [B]", text("a"), text("b")).tool
    values = {"a": "[B]", "b": ";touch PWNED;"}
    assert victim.run("dash", CompiledTool(tool, compat=True).expand(values).command_line) == ["PWNED"]
    assert victim.run("dash", CompiledTool(tool).expand(values).command_line) == []


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(InvocationError, match="input a: a NUL character cannot be passed"):
        text_tool("tool [A]").expand({"a": "x\0y"})


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvocationError, match=r"input a: .* is not text that UTF-8 can express"):
        text_tool("tool [A]").expand({"a": "\ud800"})
