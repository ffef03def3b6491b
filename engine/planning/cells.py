"""Values written as plain text, in table cells and on the command line, typed by the descriptor."""

from __future__ import annotations

import re
from typing import Any

from engine.domain.tool import InputType, ToolInput
from engine.errors import BadRequest
from engine.planning.documents import parse_json

_integer = re.compile(r"[+-]?\d{1,25}").fullmatch
_number = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?").fullmatch
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_INT64 = range(-(2**63), 2**63)


def value_from_text(one: ToolInput, text: str) -> Any:
    """Parse the value that `text` stands for.

    Lists are JSON, or entries divided by the input's list separator. Text that does not fit the type is
    returned as it is: the rules of the descriptor then refuse it in their own words.

    Raises:
        BadRequest: a list that starts like JSON is none, or an integer does not fit in 64 bits.
    """
    if not one.list:
        return _scalar(one, text)
    if text.startswith("["):
        return parse_json(text, f"input {one.id}")
    separator = one.list_separator.strip()
    entries = text.split(separator) if separator else text.split()
    return [_scalar(one, entry) for entry in entries]


def _scalar(one: ToolInput, text: str) -> Any:
    if one.choices and not one.integer:
        return next((choice for choice in one.choices if str(choice) == text), text)
    if one.type is InputType.FLAG:
        return _FLAGS.get(text.strip().lower(), text)
    if one.type is InputType.NUMBER:
        digits = text.strip()  # spreadsheets and people write "1, 2"
        if _integer(digits):
            number = int(digits)
            if number not in _INT64:
                raise BadRequest(f"input {one.id}: the integer {digits} does not fit in 64 bits")
            return number
        return float(digits) if _number(digits) else text
    return text
