"""How our programs put things into words."""

from __future__ import annotations

import pytest

from engine.terminal import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1000, "1000 images")]
)
def test_one_thing_is_told_in_the_singular(number: int, words: str) -> None:
    assert counted(number, "image") == words


def test_words_that_bend_otherwise_are_given() -> None:
    assert [counted(n, "image needs", "images need") for n in (1, 2)] == ["1 image needs", "2 images need"]
