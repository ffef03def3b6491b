"""The documentation says what is true: its commands run, its links lead somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Command, File, links, matches, pages, steps

RUNNABLE = [page for page in pages() if any(isinstance(step, Command) for step in steps(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=str)
def test_what_a_page_tells_the_reader_to_type_works(page: Path, tmp_path: Path, home: Path) -> None:
    place = tmp_path / "work"
    place.mkdir()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
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


def test_the_tutorial_is_run() -> None:
    assert Path("docs/tutorial.md") in RUNNABLE


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_between_pages_lead_to_files(page: Path) -> None:
    assert [target for target in links(page) if not (ROOT / page.parent / target).exists()] == []


def test_every_page_can_be_found_from_the_readme() -> None:
    seen: set[Path] = set()
    ahead = [Path("README.md")]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        targets = [Path(os.path.normpath(page.parent / target)) for target in links(page)]
        ahead += [target for target in targets if target.suffix == ".md" and target not in seen]
    assert set(pages()) <= seen


def test_dots_on_a_page_stand_for_anything() -> None:
    assert matches("a ... c\n", "a b\nb c\n")
    assert not matches("a c", "a b c")
    assert matches("", "")
