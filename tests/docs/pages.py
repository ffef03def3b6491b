"""Commands and files in the documentation, found so that tests can run them.

A page is run from top to bottom in one empty directory. A fence opened with

    ```console runnable      holds commands (lines with "$ ") and what they print ("..." is anything)
    ```json file=NAME        is written to NAME first (any language)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w+)[ ]*(.*?)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class File:
    """A file that the reader is told to write."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that the reader is told to type, and what it prints."""

    line: str
    shows: str


def pages() -> list[Path]:
    """Every page, relative to the project's root."""
    found = [
        *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    return [page.relative_to(ROOT) for page in found]


def runnable() -> list[Path]:
    """The pages with commands that are to be typed."""
    return [page for page in pages() if any(isinstance(step, Command) for step in steps(page))]


def steps(page: Path) -> Iterator[File | Command]:
    """What a reader of the page does, in order."""
    for _, marks, body in _FENCE.findall((ROOT / page).read_text()):
        if marks.startswith("file="):
            yield File(marks.removeprefix("file="), body)
        elif marks == "runnable":
            for chunk in re.split(r"^\$ ", body, flags=re.M)[1:]:
                line, _, shows = chunk.partition("\n")
                yield Command(line, shows)


def links(page: Path) -> list[str]:
    """The targets of the page's links, those to other sites left out."""
    targets = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    return [target.partition("#")[0] for target in targets if "://" not in target and target[0] != "#"]


def matches(shown: str, printed: str) -> bool:
    """Whether a program printed what the page shows; `...` on the page is anything, line breaks too."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, printed.strip(), re.S) is not None
