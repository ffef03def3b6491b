"""Texts with value-keys in them, cut up once and filled in one pass, so that no value is ever read for keys.

Unlike bosh, which replaces one key after the other (see docs/deviations.md), a key that occurs in a value
stays as it is, a key shared by several inputs takes the first that has a value, and no key is left over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.domain.tool import Tool, ToolInput, ToolOutput

Values = Mapping[str, Any]
Slot = Callable[[Values], str | None]
"""The text for one key, or None when nothing is to stand there."""


class Keys:
    """The value-keys of a tool and whose they are."""

    def __init__(self, tool: Tool) -> None:
        self.owners: dict[str, list[ToolInput | ToolOutput]] = {}
        for one in tool.parameters:
            if one.value_key:
                self.owners.setdefault(one.value_key, []).append(one)
        longest_first = sorted(self.owners, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def split(self, text: str) -> tuple[list[tuple[str, str]], str]:
        """Cut `text` into pairs of a literal and the key after it, and the literal at the end."""
        pieces, end = [], 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            pieces.append((text[end : match.start()], match.group()))
            end = match.end()
        return pieces, text[end:]


class TemplatePiece(NamedTuple):
    """A literal, and what comes after it."""

    literal: str
    without: str
    """The literal when nothing comes after it: an absent value takes the space before it along."""
    slot: Slot


class Template:
    """A text to fill in."""

    def __init__(self, pieces: Iterable[tuple[str, Slot]], tail: str) -> None:
        self._pieces = tuple(
            TemplatePiece(literal, literal[:-1] if literal.endswith(" ") else literal, slot)
            for literal, slot in pieces
        )
        self._tail = tail

    def fill(self, values: Values) -> str:
        """Fill in these values."""
        parts = []
        for literal, without, slot in self._pieces:
            text = slot(values)
            if text is None:
                parts.append(without)
            else:
                parts.append(literal)
                parts.append(text)
        parts.append(self._tail)
        return "".join(parts)

    def is_complete(self, values: Values) -> bool:
        """Say whether every key has a value."""
        return all(piece.slot(values) is not None for piece in self._pieces)


def first_of(slots: Sequence[Slot]) -> Slot:
    """Make the slot of a key that several inputs share: the first with a value fills it."""
    if len(slots) == 1:
        return slots[0]

    def slot(values: Values) -> str | None:
        return next((text for one in slots if (text := one(values)) is not None), None)

    return slot


def text_of(one: ToolInput | ToolOutput, value: Any) -> str:
    """Render a value as plain text: list entries joined, `True` and `False` for flags."""
    if type(value) is str:
        return value
    separator = one.list_separator if isinstance(one, ToolInput) else " "
    return separator.join(map(str, value)) if type(value) is list else str(value)
