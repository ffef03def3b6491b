"""Writing Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def code(text: str) -> str:
    """Text as it is typed."""
    return f"`{text}`"


def sentence(text: str) -> str:
    """With a capital, unless it begins with a word of code, and without a full stop at its end."""
    return (text[:1].upper() + text[1:]).rstrip(".")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()
