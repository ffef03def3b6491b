"""The documentation says what is true: its commands run, its links lead somewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs import record
from tests.docs.pages import ROOT, links, matches, pages, runnable
from tests.docs.reader import follow

pytestmark = pytest.mark.whole

RUNNABLE = [page for page in runnable() if "how-to" not in page.parts]  # those have a file of their own


@pytest.mark.parametrize("page", RUNNABLE, ids=str)
def test_what_a_page_tells_the_reader_to_type_works(page: Path, tmp_path: Path, home: Path) -> None:
    place = tmp_path / "work"
    place.mkdir()
    follow(page, place)
    if page == record.PAGE:
        (made,) = place.glob("results/*/provenance/1.1.json")
        assert record.named() == record.fields_of(made)


def test_the_tutorial_is_run() -> None:
    assert {Path("docs/tutorial.md"), record.PAGE} <= set(RUNNABLE)


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


def test_fields_inside_of_lists_are_found() -> None:
    assert set(record.fields({"a": [{"b": 1}], "c": {"d": None}})) == {"a", "a.b", "c", "c.d"}
