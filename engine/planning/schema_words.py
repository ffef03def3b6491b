"""Violations of the JSON schema of Boutiques in the words of who writes a descriptor.

The library's own begin with the whole value, show Python's spelling, or cite the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

_KINDS = {
    "string": "a text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_PATTERNS = {
    "^[0-9,_,a-z,A-Z]*$": "may only have letters, digits and _",
    "^[a-z,A-Z][0-9,_,a-z,A-Z]*$": "must begin with a letter, and may only have letters, digits and _",
    "^https?://": "is no http:// or https:// address",
}
_SHAPES = {
    ("anyOf", "inputs"): "an input of type Flag cannot be a list",
    ("oneOf", "value-choices"): "each is a text or a number",
    ("oneOf", "container-image"): "it is of type docker or singularity with an image, or rootfs with a url",
    ("anyOf", "assertions"): "exit-code or output-files is needed",
    ("oneOf", "output-files"): "path-template or conditional-path-template is needed, one of them",
    ("anyOf", "output-files"): "an output with file-template cannot be a list",
}
"""Where a part must have one of several shapes: by the name of the part, or of the list it is in."""
_LONGEST = 60


class Violation(Protocol):
    """An error of the jsonschema package."""

    message: str
    validator: str
    validator_value: Any
    instance: Any
    schema: Any

    @property
    def absolute_path(self) -> Iterable[str | int]:
        """Where it is in the document."""


def worded(error: Violation) -> str:
    """Say what is wrong, without where."""
    write = _WORDS.get(error.validator)
    return write(error) if write else _shortened(error.message)


def specific(errors: Iterable[Violation]) -> list[Violation]:
    """Return those that say what is wrong: a part that has none of several shapes is told when nothing
    else is.
    """
    found = list(errors)
    plain = [tuple(one.absolute_path) for one in found if one.validator not in ("anyOf", "oneOf")]

    def is_covered(one: Violation) -> bool:
        path = tuple(one.absolute_path)
        return any(other[: len(path)] == path for other in plain)

    return [one for one in found if one.validator not in ("anyOf", "oneOf") or not is_covered(one)]


def _type(error: Violation) -> str:
    wanted = error.validator_value
    kinds = [_KINDS.get(one, one) for one in ([wanted] if isinstance(wanted, str) else wanted)]
    return f"{_shown(error.instance)} where {' or '.join(kinds)} is needed"


def _required(error: Violation) -> str:
    name = re.match(r"'(.*)' is a required property$", error.message)
    return f"{name.group(1)} is missing" if name else _shortened(error.message)


def _enum(error: Violation) -> str:
    return f"{_shown(error.instance)} is not one of {', '.join(map(_shown, error.validator_value))}"


def _pattern(error: Violation) -> str:
    message = _PATTERNS.get(error.validator_value, f"does not match {error.validator_value}")
    return f"{_shown(error.instance)} {message}"


def _additional(error: Violation) -> str:
    unknown = [name for name in error.instance if name not in error.schema.get("properties", {})]
    return f"unknown key {', '.join(map(_shown, unknown))}"


def _choice(error: Violation) -> str:
    names = [step for step in error.absolute_path if isinstance(step, str)]
    message = _SHAPES.get((error.validator, names[-1] if names else ""))
    return message or f"{_shown(error.instance)} has none of the shapes that it may have"


def _dependencies(error: Violation) -> str:
    name = re.match(r"'(.*)' is a dependency of '(.*)'$", error.message)
    return f"{name.group(2)} needs {name.group(1)}" if name else _shortened(error.message)


def _empty(error: Violation) -> str:
    return "is empty"


def _unique(error: Violation) -> str:
    return "two entries are equal"


_WORDS: Mapping[str, Callable[[Violation], str]] = {
    "type": _type,
    "required": _required,
    "enum": _enum,
    "pattern": _pattern,
    "additionalProperties": _additional,
    "anyOf": _choice,
    "oneOf": _choice,
    "dependencies": _dependencies,
    "minItems": _empty,
    "minLength": _empty,
    "uniqueItems": _unique,
}


def _shown(value: Any) -> str:
    """Render a value as JSON has it, a list or an object by its kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 20]} ... {text[-15:]}"


def _shortened(message: str) -> str:
    return message if len(message) <= 160 else f"{message[:80]} ... {message[-70:]}"
