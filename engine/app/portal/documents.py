"""JSON of strangers: what every later step can walk through by recursion, and write down as text."""

from __future__ import annotations

import json
from typing import Any

LEVELS = 100
"""Levels of lists and objects."""
VALUES = 2_000_000
"""Values of a document; a larger one would hold up all who ask while it is read."""


def _plain(document: Any) -> Any:
    """Return the same document, if it is harmless.

    Raises:
        ValueError: it is nested too deeply, or holds text that is no Unicode.
    """
    left = [(document, 1)]
    while left:
        value, level = left.pop()
        if isinstance(value, str):
            if not value.isascii():
                _text(value)
            continue
        if isinstance(value, dict):
            for name in value:
                _text(name)
            value = value.values()
        elif not isinstance(value, list):
            continue
        if level > LEVELS:
            raise ValueError(f"it has more than {LEVELS} levels")
        left += [(each, level + 1) for each in value]
    return document


def loads(text: bytes | bytearray | str) -> Any:
    """Parse a document that a stranger sent.

    Raises:
        ValueError: it is no JSON, or not harmless.
    """
    if _values(text) > VALUES:
        raise ValueError(f"it has more than {VALUES} values")
    try:
        return _plain(json.loads(text))
    except RecursionError:
        raise ValueError(f"it has more than {LEVELS} levels") from None


def _values(text: bytes | bytearray | str) -> int:
    """Return how many values a document has at most, found out in no time."""
    if isinstance(text, str):
        return sum(text.count(sign) for sign in ",[{")
    return sum(text.count(sign) for sign in b",[{")


def _text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds text that is no Unicode") from None
