"""`make docs`: a site of all pages, in build/site. Needs no network; a broken link or a warning ends it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.docs.pages import ROOT

SHOWN = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CITATION.cff",
    "LICENSE",
    "docs",
    "config",
)
"""What pages are, and what they lead to."""
_FILE = re.compile(r"^```(\w+) +(?:walk|file)=(\S+)$", re.M)
_MARKED = re.compile(r"^```(\w+) +(?:bundle|runnable|walk)$", re.M)


def assemble(project: Path) -> None:
    """Put the pages below a directory, where they are here too, so that their links are the same."""
    pages = project / "build" / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    for name in SHOWN:
        source, target = ROOT / name, pages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("man", "__pycache__"))
        else:
            shutil.copyfile(source, target)
    for page in pages.rglob("*.md"):
        page.write_text(_without_marks(page.read_text()))


def _without_marks(text: str) -> str:
    """Leave out what our tests read behind three backticks; a file gets its name as title."""
    return _MARKED.sub(r"```\1", _FILE.sub(r'```\1 title="\2"', text))


def build(project: Path, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Make the site of the pages below a directory that has the configuration; `before` runs the program."""
    command = [*before, sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    made = subprocess.run(command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return subprocess.CompletedProcess(command, made.returncode, _plain(made.stdout), _plain(made.stderr))


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def main() -> int:
    """Make the site of this checkout, and say where it is."""
    assemble(ROOT)
    made = build(ROOT)
    if made.returncode:
        print(made.stdout + made.stderr, file=sys.stderr)
        return made.returncode
    site = ROOT / "build" / "site"
    print(f"the site is {site / 'index.html'}")
    print(f"to search in it: python3 -m http.server --bind 127.0.0.1 --directory {site}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
