"""The examples of the how-to pages, which are packages of their own below `docs/examples`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.docs.pages import ROOT

EXAMPLES = Path("docs", "examples")
NAMES = ("processes", "table")


def _block(path: Path, marks: str) -> str:
    """A file as a block of a page."""
    return f"```{marks}\n{(ROOT / path).read_text()}```"


def _parts() -> dict[str, Callable[[], str]]:
    found = dict[str, Callable[[], str]]()
    for name in NAMES:
        found[f"example-{name}"] = partial(_block, EXAMPLES / name / "pyproject.toml", "toml")
        for file in (f"{name}.py", f"test_{name}.py"):
            found[f"example-{file}"] = partial(_block, EXAMPLES / name / file, f"python file={file}")
    return found


PARTS = _parts()
