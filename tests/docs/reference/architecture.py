"""The parts of the project and who may import whom, from the rules that a test keeps."""

from __future__ import annotations

from tests.architecture.rules import CORE, MAY_IMPORT, PARTS, SHARED, TRANSFER_WORDS
from tests.docs.markdown import code, table


def parts() -> str:
    """Each part, what it is, and what it may import besides itself and the shared words."""
    return table(
        ["part", "what it is", "may import"],
        [(code(part), what, _may_import(part)) for part, what in PARTS.items()],
    )


def _may_import(part: str) -> str:
    if part not in MAY_IMPORT:
        return "everything"
    found = MAY_IMPORT[part] - SHARED - {part.removesuffix(".py").replace("/", ".")}
    named = [text for words, text in _SETS.items() if words <= found]
    rest = found.difference(*(words for words in _SETS if words <= found))
    return ", ".join([*named, *(code(name.removeprefix("engine.")) for name in sorted(rest))]) or "nothing"


def shared() -> str:
    """What every part of the engine may import."""
    return ", ".join(code(name) for name in sorted(SHARED)) + "."


_SETS = {frozenset(CORE): "ports, domain", frozenset(TRANSFER_WORDS): "words of `wrappers.transfer`"}

PARTS_OF_PAGES = {"architecture.parts": parts, "architecture.shared": shared}
