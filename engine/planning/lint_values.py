"""Traps in the values that a descriptor itself brings: defaults, and what is put into configuration files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from engine.domain.tool import InputType, Tool, ToolInput, ToolOutput
from engine.planning.formats import Format, format_of
from engine.planning.rules import default_problems
from engine.planning.template import Keys


def broken_defaults(tool: Tool) -> Iterator[tuple[str, str]]:
    """Find inputs with a default that their own rules refuse, each with why: whoever leaves one out is
    refused.
    """
    for id, problem in default_problems(tool):
        yield f"inputs {id}", f"default-value: {problem}: whoever does not give it is refused"


def lonely_defaults(tool: Tool) -> Iterator[tuple[str, str]]:
    """Find inputs with a default that needs another input, which has none."""
    known = {one.id: one for one in tool.inputs}
    groups = {group.id: group.members for group in tool.groups}
    for one in tool.inputs:
        if one.default is None or one.default is False:
            continue
        wanted = [*one.requires, *one.value_requires.get(str(one.default), ())]
        for id in wanted:
            members = groups.get(id, (id,)) if id not in known else (id,)
            if not any(_always_there(known.get(member)) for member in members):
                text = f"default-value: needs {id}: whoever does not give that is refused"
                yield f"inputs {one.id}", text


def configuration_texts(tool: Tool) -> Iterator[tuple[str, str]]:
    """Find configuration files with texts in them, each with how these are written."""
    keys = Keys(tool)
    for one in tool.outputs:
        named = [key for line in one.file_template or () for _, key in keys.split(line)[0]]
        texts = list(dict.fromkeys(key for key in named if any(map(_is_text, keys.owners[key]))))
        if not texts:
            continue
        paths = [one.path_template or "", *(path for _, path in one.conditional_path_template)]
        formats = sorted({format for path in paths if path and (format := format_of(path))})
        message = f"{', '.join(texts)} as " + (
            f"{' or '.join(formats)} has texts; bosh quotes them for a shell"
            if formats
            else "a shell quotes texts: only what is called .json, .yaml, .toml or .ini is written otherwise"
        )
        yield f"output-files {one.id}", f"file-template: {message}"


def absent_texts(tool: Tool) -> Iterator[tuple[str, str]]:
    """Lines of JSON files that vanish when a value is left out, and what is around them is no JSON then."""
    keys = Keys(tool)
    for one in tool.outputs:
        paths = [one.path_template or "", *(path for _, path in one.conditional_path_template)]
        if Format.JSON not in [format_of(path) for path in paths if path]:
            continue
        named = [key for line in one.file_template or () for _, key in keys.split(line)[0]]
        absent = [key for key in dict.fromkeys(named) if not any(map(_is_always_there, keys.owners[key]))]
        if absent:
            text = f"file-template: a line with {' or '.join(absent)} is empty where that is not given"
            yield f"output-files {one.id}", f"{text}: see that the rest is JSON"


def empty_ranges(tool: Tool) -> Iterator[tuple[str, str]]:
    """Find inputs that no value fits."""
    for one in tool.inputs:
        least, most = one.minimum, one.maximum
        if least is None or most is None:
            continue
        if one.integer:
            lowest = math.floor(least) + 1 if one.exclusive_minimum else math.ceil(least)
            highest = math.ceil(most) - 1 if one.exclusive_maximum else math.floor(most)
            if lowest > highest:
                yield f"inputs {one.id}", f"no integer is between minimum {least} and maximum {most}"
        elif least > most or (least == most and (one.exclusive_minimum or one.exclusive_maximum)):
            yield f"inputs {one.id}", f"no number is between minimum {least} and maximum {most}"


def unknown_in_tests(tool: Tool) -> Iterator[tuple[str, str]]:
    """Find tests of the descriptor that name an input that is not there."""
    inputs = {one.id for one in tool.inputs}
    for test in tool.tests:
        for id in test.invocation:
            if id not in inputs:
                yield f"tests {test.name}", f"unknown input {id!r}"


def _is_always_there(one: ToolInput | ToolOutput) -> bool:
    return isinstance(one, ToolOutput) or _always_there(one)


def _always_there(one: ToolInput | None) -> bool:
    return one is not None and (not one.optional or one.default not in (None, False))


def _is_text(one: object) -> bool:
    return not isinstance(one, ToolInput) or one.type in (InputType.STRING, InputType.FILE)


def unused_resources(asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find resources that are asked for and that nobody looks at."""
    for name in asked:
        if name not in _RESOURCES:
            yield f"suggested-resources {name}", f"is not looked at: there are {', '.join(_RESOURCES)}"
    if asked.get("nodes", 1) > 1:
        yield "suggested-resources nodes", "is not looked at: a job has one node"


_RESOURCES = ("cpu-cores", "ram", "disk-space", "walltime-estimate", "nodes")
"""Keys that the schema has."""
