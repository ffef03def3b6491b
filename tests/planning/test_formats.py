"""Values in configuration files of a known format are read back as they are, or refused."""

from __future__ import annotations

import configparser
import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.planning import CompiledTool, InvocationError
from tests.planning.samples import flag, number, text, tool_of

VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
NASTY = [
    *(
        "plain",
        "a b",
        "it's",
        'say "x"',
        "\\",
        'x", "evil": "1',
        "a\nb",
        "\t",
        "#no comment",
        "a: b",
        "",
        " ",
    ),
    *("é漢😀", "true", "no", "5", "1.50", "01", "null", "12:30", "2001-01-01", "- x", "[x]", "{x}", "x #y"),
    *(
        "%(home)s",
        "'",
        "''",
        "\u2028",
        "\x7f",
        "\x85",
        "\ufeff",
        "*x",
        "&x",
        "!x",
        "|",
        ">",
        "@x",
        "`x",
        "a,b",
    ),
    "key = 1\n[evil]\nx = 2",
]


def tool(path: str, *lines: str) -> CompiledTool:
    config = [{"id": "c", "path-template": path, "file-template": list(lines)}]
    return tool_of("tool", text("t"), number("n", optional=True), flag("f"), outputs=config)


def written(compiled: CompiledTool, value: str) -> str:
    [content] = compiled.expand({"t": value, "n": 0.5, "f": True}).config_files.values()
    return content


def written_or_refused(compiled: CompiledTool, value: str) -> str | None:
    """The content; None when the value is refused, with its input."""
    problems: tuple[str, ...] = ()
    try:
        return written(compiled, value)
    except InvocationError as error:
        problems = error.problems
    assert problems[0].startswith("input t: ")
    return None


JSON = tool("c.json", "{", ' "quoted": "[T]", "part": "<[T]>",', ' "bare": [T], "n": [N], "f": [F]', "}")
TOML = tool("c.toml", "# [N]", 'quoted = "[T]"', 'part = "<[T]>"', "bare = [T]", "n = [N]", "f = [F]")
LONG = tool(
    "c.toml", 'quoted = """[T]"""', "n = [N]", "other = 'C:\\'", 'part = "<[T]>"', "bare = [T]", "f = [F]"
)
YAML = tool(
    *("c.yml", 'quoted: "[T]"', 'part: "<[T]>"', "bare: [T]", "listed: [[T], [T]]", "n: [N]", "f: [F]"),
    "it's: 1",
)


def number_or(value: str) -> Any:
    """What a text alone is, without quotes: as with bosh a number, true or false are what they look like."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if type(found) in (int, float, bool) and value[0] in "-0123456789tf" else value


READERS: list[tuple[CompiledTool, Callable[[str], Any]]] = [
    (JSON, json.loads),
    (TOML, tomllib.loads),
    (LONG, tomllib.loads),
    (YAML, yaml.safe_load),
]


@pytest.mark.parametrize(("compiled", "read"), READERS, ids=["JSON", "TOML", "TOML with long texts", "YAML"])
@pytest.mark.parametrize("value", NASTY)
def test_a_nasty_value_is_read_back_as_it_is(
    compiled: CompiledTool, read: Callable[[str], Any], value: str
) -> None:
    check(compiled, read, value)


@pytest.mark.parametrize(("compiled", "read"), READERS, ids=["JSON", "TOML", "TOML with long texts", "YAML"])
@given(value=VALUES)
def test_any_value_is_read_back_as_it_is(
    compiled: CompiledTool, read: Callable[[str], Any], value: str
) -> None:
    check(compiled, read, value)


def check(compiled: CompiledTool, read: Callable[[str], Any], value: str) -> None:
    found = read(written(compiled, value))
    assert (found["quoted"], found["part"]) == (value, f"<{value}>")
    assert found["bare"] in (number_or(value), value), "alone; YAML takes fewer texts for numbers"
    assert (found["n"], found["f"]) == (0.5, True)
    assert found.get("listed", [found["bare"]] * 2) == [found["bare"]] * 2
    assert set(found) <= {"quoted", "part", "bare", "listed", "n", "f", "it's", "other"}


@given(value=VALUES)
def test_what_yaml_without_quotes_cannot_hold_is_refused_and_anything_else_comes_back(value: str) -> None:
    compiled = tool("c.yaml", "part: /data/[T]/x", "single: '<[T]>'", "n: [N] # [T]", "end: it")
    content = written_or_refused(compiled, value)
    if content is None:
        return
    found = yaml.safe_load(content)
    assert found == {"part": f"/data/{value}/x", "single": f"<{value}>", "n": 0.5, "end": "it"}


@given(value=VALUES)
def test_a_value_of_an_ini_file_never_makes_another_line(value: str) -> None:
    compiled = tool("c.ini", "[one]", "bare = x[T]", "n = [N]", "; [T]", "[two]", "f = [F]")
    content = written_or_refused(compiled, value)
    if content is None:
        return
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(content)
    assert {name: dict(parser[name]) for name in parser.sections()} == {
        "one": {"bare": f"x{value}".strip(), "n": "0.5"},
        "two": {"f": "True"},
    }


@pytest.mark.parametrize("value", ["it's", "a\nb"])
def test_a_literal_text_of_toml_refuses_what_it_cannot_hold(value: str) -> None:
    with pytest.raises(InvocationError, match=r"input t: .* cannot be written there"):
        written(tool("c.toml", "quoted = '[T]'"), value)


def test_entries_of_a_list_are_texts_of_their_own_where_a_comma_divides_them() -> None:
    config = [{"id": "c", "path-template": "c.json", "file-template": ['{"a": [[T]], "b": "[T]"}']}]
    many = tool_of("tool", text("t", list=True, **{"list-separator": ", "}), outputs=config)
    [content] = many.expand({"t": ['x"', "y z"]}).config_files.values()
    assert content == '{"a": ["x\\"", "y z"], "b": "x\\", y z"}'
    one = tool_of("tool", text("t", list=True), outputs=[{**config[0], "file-template": ['{"a": [T]}']}])
    assert one.expand({"t": ["x", "y z"]}).config_files == {"c.json": '{"a": "x y z"}'}


def test_other_files_are_written_as_bosh_writes_them_and_compat_does_so_everywhere() -> None:
    plain = tool("c.txt", "t=[T]")
    assert written(plain, "a b") == "t='a b'"
    for compiled in (JSON, TOML, YAML):
        compat = CompiledTool(compiled.tool, compat=True)
        assert "'it'\"'\"'s'" in written(compat, "it's")
