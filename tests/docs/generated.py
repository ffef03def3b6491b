"""The parts of the documentation that are made from the code, so that they cannot become untrue.

    <!-- python -m tests.docs.generate: NAME -->
    <!-- end -->

A part stands between two such lines. What is outside of them is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs.pages import ROOT, pages
from tests.docs.reference import (
    architecture,
    commands,
    dirac,
    errors,
    examples,
    isolation,
    man,
    pictures,
    publisher,
    schemas,
    settings,
    states,
    usecases,
    vip,
)

PARTS: Mapping[str, Callable[[], str]] = {
    **architecture.PARTS_OF_PAGES,
    **commands.PARTS,
    **dirac.PARTS,
    **errors.PARTS,
    **examples.PARTS,
    **isolation.PARTS,
    **publisher.PARTS,
    **settings.PARTS,
    **states.PARTS,
    **schemas.PARTS,
    **usecases.PARTS,
    **vip.PARTS,
}
"""Name of a part -> what makes its text."""

_PART = re.compile(r"(<!-- python -m tests\.docs\.generate: (\S+) -->\n).*?(<!-- end -->)", re.S)


def render(text: str) -> str:
    """A page with its parts made anew.

    Raises:
        KeyError: it asks for a part that nobody makes.
    """
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]().strip()}\n\n{found[3]}", text)


def used(text: str) -> list[str]:
    """The names of the parts of a page."""
    return [found[1] for found in _PART.findall(text)]


def files() -> dict[Path, str]:
    """Every file that is made from the code, wholly or in part, and what it must hold."""
    made = {page: text for page in pages() if used(text := (ROOT / page).read_text())}
    every = {**schemas.files(), **usecases.files()}
    documents = {path: json.dumps(schema, indent=2) + "\n" for path, schema in every.items()}
    texts = {page: render(text) for page, text in made.items()}
    return {**texts, **documents, **pictures.files(), **man.files()}
