"""A reader who does what a page says, from top to bottom, in an empty directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import File, matches, steps


def follow(page: Path, place: Path) -> None:
    """Write the files of a page and type its commands; each must end well and print what the page shows."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    environment = {
        **usual,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTEST_DEBUG_TEMPROOT": str(place),  # a page's own tests leave nothing elsewhere, and meet nothing
    }
    for step in steps(page):
        if isinstance(step, File):
            (place / step.name).write_text(step.text)
            continue
        done = subprocess.run(
            ["sh", "-c", step.line], cwd=place, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{page}: $ {step.line}\n{done.stdout}"
        assert matches(step.shows, done.stdout), f"{page}: $ {step.line}\nprinted:\n{done.stdout}"
