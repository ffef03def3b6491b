"""The site of the pages: all of them, in strict mode, and nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, pages
from tests.docs.site import assemble, build

CONFIGURATION = ROOT / "zensical.toml"
LOADED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*?\ssrc="?(?P<src>[^"\s>]+)|<link[^>]*?\shref="?(?P<href>[^"\s>]+)"""
)


def named(part: Any) -> Iterator[str]:
    """The pages of a part of the navigation."""
    if isinstance(part, str):
        yield part
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from named(below)


ALONE = ("unshare", "--map-root-user", "--net")
"""In a network namespace without a way out."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made in a directory of its own, where no network is."""
    place = tmp_path_factory.mktemp("site")
    shutil.copyfile(CONFIGURATION, place / CONFIGURATION.name)
    for package in ("engine", "wrappers"):
        (place / package).symlink_to(ROOT / package)
    assemble(place)
    made = build(place, ALONE)
    assert made.returncode == 0, made.stdout + made.stderr
    return place / "build" / "site"


def test_every_page_is_in_the_navigation_once_but_decisions_which_have_a_list() -> None:
    found = list(named(tomllib.loads(CONFIGURATION.read_text())["project"]["nav"]))
    listed = {page for page in pages() if page.parent.name == "decisions" and page.name != "README.md"}
    assert sorted(found) == sorted(str(page) for page in pages() if page not in listed)


@pytest.mark.whole
def test_every_page_is_made_and_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in pages():
        place = site / page.with_suffix(".html")
        made = (place.with_name("index.html") if page.name == "README.md" else place).read_text()
        found = [one["src"] or one["href"] for one in LOADED.finditer(made)]
        assert found
        assert [one for one in found if "://" in one or one.startswith("//")] == []


@pytest.mark.whole
def test_interfaces_are_made_from_the_code(site: Path) -> None:
    made = (site / "docs" / "reference" / "api.html").read_text()
    for name in ("engine.ports.Backend.submit", "engine.usecases.ExecutionView", "wrappers.wire.Manifest"):
        assert f'id="{name}"' in made


@pytest.mark.whole
def test_a_link_that_leads_nowhere_ends_it(tmp_path: Path) -> None:
    settings = CONFIGURATION.read_text()
    nav = re.compile(r"^nav = \[.*?^\]$", re.M | re.S)
    (tmp_path / CONFIGURATION.name).write_text(nav.sub("", settings))
    pages_ = tmp_path / "build" / "pages"
    pages_.mkdir(parents=True)
    (pages_ / "README.md").write_text("# Home\n\n[next](next.md#there)\n")
    (pages_ / "next.md").write_text("# Next\n\n## There\n")
    assert build(tmp_path).returncode == 0
    (pages_ / "README.md").write_text("# Home\n\n[page](nowhere.md)\n\n[heading](next.md#nowhere)\n")
    made = build(tmp_path)
    assert made.returncode != 0
    assert "nowhere.md" in made.stdout + made.stderr
    assert "next.md#nowhere" in made.stdout + made.stderr
