"""What the how-to pages tell the reader to type works; in a file of its own, to run beside the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import runnable
from tests.docs.reader import follow

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("page", [page for page in runnable() if "how-to" in page.parts], ids=str)
def test_what_a_page_tells_the_reader_to_type_works(page: Path, tmp_path: Path, home: Path) -> None:
    place = tmp_path / "work"
    place.mkdir()
    follow(page, place)
