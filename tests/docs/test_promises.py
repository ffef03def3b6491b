"""What the pages about promises and odd input say is kept by tests that are there."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

_ROW = re.compile(r"^\|(?! ?-)(?P<cells>.*)\|$", re.M)
_TEST = re.compile(r"`(tests/[\w/.]+)`")
_FUNCTION = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("page", ["promises.md", "odd-input.md", "vip-checks.md"])
def test_each_row_names_tests_that_are_there(page: str) -> None:
    rows = [m["cells"] for m in _ROW.finditer((ROOT / "docs" / "reference" / page).read_text())]
    rows = [row for row in rows if not row.strip().endswith("test")]  # heads of tables
    assert len(rows) > 5
    for row in rows:
        named = _TEST.findall(row)
        assert named, row
        assert [one for one in named if not (ROOT / one).exists()] == [], row
        text = "".join((ROOT / one).read_text() for one in named if one.endswith(".py"))
        assert [one for one in _FUNCTION.findall(row) if f"def {one}(" not in text] == [], row
