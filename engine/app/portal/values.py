"""Values as CARMIN clients send them, made into a Boutiques invocation: all arrive as text.

A list given to an input that is no list asks for one job per element, as VIP has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.app.portal.carmin import CarminError, Code
from engine.domain.tool import InputType, Tool, ToolInput
from engine.errors import BadRequest
from engine.planning.cells import value_from_text
from engine.planning.vip_keys import RESULTS_DIRECTORY, copied_inputs

_VALUE = re.compile(r"[\w.,+@/(): \[\]?&=-]*")
"""VIP's characters, and letters of every language: nothing that a shell could take for more than text."""
_NAME = re.compile(r"[0-9A-Za-z_ -]{1,255}")
_LONGEST = 4096


def check_name(name: str) -> str:
    """Check the name of an execution.

    Raises:
        Refused: it has other characters than VIP's.
    """
    if not _NAME.fullmatch(name):
        raise CarminError(
            Code.BAD_EXECUTION_NAME,
            "the name of an execution has 1 to 255 letters, digits, spaces, - and _",
        )
    return name


def invocation(tool: Tool, values: Mapping[str, Any]) -> dict[str, Any]:
    """Make the invocation of the values of a request.

    Raises:
        Refused: an input is unknown, is missing, or has a value that cannot be one.
    """
    known = {one.id: one for one in tool.inputs}
    made: dict[str, Any] = {}
    for id_, value in values.items():
        if id_ == RESULTS_DIRECTORY:
            continue
        if id_ not in known or id_ in hidden_inputs(tool):
            raise CarminError(Code.BAD_INPUT, f"input {shown(id_)}: {tool.name} has no such input")
        if value is not None:
            made[id_] = _typed(known[id_], value)
    copied = hidden_inputs(tool)
    for one in tool.inputs:
        if one.id not in made and one.id not in copied and not one.optional and one.default is None:
            raise CarminError(Code.MISSING_INPUT, f"input {one.id} is missing")
    return made


def files(tool: Tool, made: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the File values of an invocation, each with the id of its input."""
    for one in tool.inputs:
        if one.type is InputType.FILE and one.id in made:
            yield from ((one.id, text) for text in _texts(made[one.id]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, str):
        yield value


def hidden_inputs(tool: Tool) -> frozenset[str]:
    """List inputs that copy another one (`vip:overriddenInputs`): nobody gives them, nobody is shown them."""
    return frozenset(copied_inputs(tool))


def _typed(one: ToolInput, value: Any) -> Any:
    if not isinstance(value, list):
        return _single(one, value)
    if not value:
        raise CarminError(Code.BAD_INPUT, f"input {one.id}: the list is empty")
    if one.list and not any(isinstance(entry, list) for entry in value):
        return [_scalar(one, entry) for entry in value]
    return [_typed(one, entry) if one.list else _scalar(one, entry) for entry in value]


def _single(one: ToolInput, value: Any) -> Any:
    """One value; for a list input text is a list of its own."""
    if not one.list:
        return _scalar(one, value)
    found = value_from_text(one, _text(one, value)) if isinstance(value, str) else [_scalar(one, value)]
    return found if isinstance(found, list) else [found]


def _scalar(one: ToolInput, value: Any) -> Any:
    if isinstance(value, (list, dict)) or value is None:
        raise CarminError(Code.BAD_INPUT, f"input {one.id}: a value is text, a number, true or false")
    if not isinstance(value, str):
        return str(value) if one.type in (InputType.STRING, InputType.FILE) else value
    text = _text(one, value)
    if one.type is InputType.FILE:
        return text
    try:
        return value_from_text(replace(one, list=False), text)
    except BadRequest as error:
        raise CarminError(Code.BAD_INPUT, error.message) from None


def _text(one: ToolInput, value: str) -> str:
    if len(value) > _LONGEST:
        raise CarminError(Code.BAD_INPUT, f"input {one.id}: a value has at most {_LONGEST} characters")
    plain = value.isprintable() if one.type is InputType.FILE else _VALUE.fullmatch(value)
    if not plain:
        raise CarminError(
            Code.BAD_INPUT,
            f"input {one.id}: a value has letters, digits, spaces and . , + - @ / _ ( ) : [ ] ? & = only",
        )
    return value


def shown(text: str) -> str:
    """Text of a client's in a message of ours."""
    return text[:100].encode("unicode_escape").decode()
