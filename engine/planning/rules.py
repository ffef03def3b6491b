"""Is this invocation acceptable for this tool? Compiled once per descriptor, asked once per job.

Verdicts are those of the boutiques package, with the deviations listed in docs/deviations.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from engine.domain.tool import InputType, Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.relations import compile_relations
from engine.planning.vip_keys import RESULTS_DIRECTORY

MAX_PROBLEMS = 20
"""Problems that one refusal lists."""
Values = dict[str, Any]
Check = Callable[[Any], str | None]
"""What is wrong with a value, or None."""


class InvocationError(BadRequest):
    """An invocation breaks rules of its descriptor; `problems` holds them all, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems), problems=problems)


class Rules:
    """The rules that a tool's inputs obey."""

    def __init__(self, tool: Tool) -> None:
        self._checks: dict[str, Check] = {one.id: _check_of(one) for one in tool.inputs}
        self._defaults = {one.id: one.default for one in tool.inputs if one.default is not None}
        self._required = frozenset(one.id for one in tool.inputs if not one.optional)
        self._relations = compile_relations(tool)

    def resolve(self, invocation: Mapping[str, Any]) -> Values:
        """Resolve the values of all inputs: what is given, and defaults that no given value rules out.

        Raises:
            InvocationError: a rule is broken.
        """
        values = self._with_defaults(invocation)
        checks = self._checks
        problems: list[str] = []
        for id, value in values.items():
            check = checks.get(id)
            if check is None:
                problems.append(f"unknown input {_shown(id)}{_hint(id, checks)}")
            elif (problem := check(value)) is not None:
                problems.append(f"input {id}: {problem}")
            if len(problems) >= MAX_PROBLEMS:
                break
        if not self._required <= values.keys():
            missing = [id for id in checks if id in self._required and id not in values]
            problems.extend(f"input {id}: is required" for id in missing)
        if self._relations is not None and not problems:
            problems.extend(self._relations.resolve(values, invocation))
        if problems:
            raise InvocationError(problems)
        return values

    def _with_defaults(self, invocation: Mapping[str, Any]) -> Values:
        defaults = self._defaults
        if not defaults:
            return dict(invocation)
        values = {**invocation}
        for id, default in defaults.items():
            if values.get(id) is None:
                values[id] = default
        return values


def default_problems(tool: Tool) -> Iterator[tuple[str, str]]:
    """Ids of inputs whose default their own rules refuse, each with why."""
    for one in tool.inputs:
        if one.default is not None and (problem := _check_of(one)(one.default)) is not None:
            yield one.id, problem


def _check_of(one: ToolInput) -> Check:
    item = _item_check(one)
    return _list_check(one, item) if one.list else _scalar_check(item)


def _scalar_check(item: Check) -> Check:
    def check(value: Any) -> str | None:
        problem = item(value)
        if problem is None or type(value) is not list:
            return problem
        return f"{problem}; with --vip a list is a job for each entry"

    return check


def _list_check(one: ToolInput, item: Check) -> Check:
    least, most = one.min_entries, one.max_entries if one.max_entries is not None else math.inf

    def check(value: Any) -> str | None:
        if type(value) is not list:
            return f"{_shown(value)} is not a list"
        for position, entry in enumerate(value, 1):
            if (problem := item(entry)) is not None:
                return f"entry {position}: {problem}"
        if len(value) < least:
            return f"{len(value)} entries are fewer than the minimum {least}"
        if len(value) > most:
            return f"{len(value)} entries are more than the maximum {most}"
        return None

    return check


def _item_check(one: ToolInput) -> Check:
    if one.type is InputType.NUMBER:
        number = _number_check(one)
        return number if one.integer or not one.choices else _choice_check(one, _in_range(one))
    if one.choices:
        return _choice_check(one, None)
    return _flag_check if one.type is InputType.FLAG else _text_check


def _text_check(value: Any) -> str | None:
    if type(value) is not str:
        return f"{_shown(value)} is not a string"
    return None if value.isascii() and "\0" not in value else _unusable(value)


def _unusable(text: str) -> str | None:
    if "\0" in text:
        return "a NUL character cannot be passed to a program"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{_shown(text)} is not text that UTF-8 can express"
    return None


def _flag_check(value: Any) -> str | None:
    return None if value is True or value is False else f"{_shown(value)} is not true or false"


def _number_check(one: ToolInput) -> Check:
    kinds: tuple[type, ...] = (int,) if one.integer else (int, float)
    noun = "an integer" if one.integer else "a number"
    in_range = _in_range(one)

    def check(value: Any) -> str | None:
        if type(value) not in kinds:
            return f"{_shown(value)} is not {noun}"
        if value != value or value in (math.inf, -math.inf):
            return f"{value} is not a finite number"
        return in_range(value) if in_range is not None else None

    return check


def _in_range(one: ToolInput) -> Check | None:
    least, most = one.minimum, one.maximum
    if least is None and most is None:
        return None
    not_least = one.exclusive_minimum and least is not None
    not_most = one.exclusive_maximum and most is not None

    def check(value: Any) -> str | None:
        if type(value) is str:  # a choice that is not a number
            return None
        if least is not None and (value < least or (not_least and value == least)):
            return f"{value} is {'not above' if not_least else 'below'} the minimum {least}"
        if most is not None and (value > most or (not_most and value == most)):
            return f"{value} is {'not below' if not_most else 'above'} the maximum {most}"
        return None

    return check


def _choice_check(one: ToolInput, in_range: Check | None) -> Check:
    # Choices replace the type: a Number may have the choice "auto". 1 and 1.0 are equal, 1 and true are not.
    choices = frozenset(one.choices)
    listed = ", ".join(str(choice) for choice in one.choices)

    def check(value: Any) -> str | None:
        if type(value) is bool or type(value) in (list, dict) or value not in choices:
            return f"{_shown(value)} is not one of {listed}"
        return in_range(value) if in_range is not None else None

    return check


def _shown(value: Any) -> str:
    if value is None or type(value) is bool:
        return {None: "null", True: "true", False: "false"}[value]
    kinds: dict[type, str] = {list: "a list", dict: "an object"}
    text = kinds.get(type(value)) or ascii(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def _hint(id: str, known: Mapping[str, Any]) -> str:
    return "; it is VIP's, with --vip" if id == RESULTS_DIRECTORY else similar(id, known)


def similar(id: str, known: Iterable[str]) -> str:
    """Ask whether another one was meant, in brackets; "" when none is like it."""

    def close() -> Iterator[str]:
        import difflib  # only needed for a mistake

        yield from difflib.get_close_matches(id[:64], known, 1)

    return "".join(f" (did you mean {name}?)" for name in close())
