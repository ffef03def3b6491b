"""Wish-lists: what they may say, and which tags a pattern chooses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmfs_deploy.units import seconds_of
from cvmfs_deploy.wishlist import WishList, WishlistEntry, load, version
from engine.errors import BadRequest
from engine.units import bytes_of, size_text

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "images.yaml"


@pytest.mark.parametrize(
    ("image", "pattern"),
    [
        ("busybox", ""),
        ("busybox:1.36", ""),
        ("busybox:1.*", "1.*"),
        ("localhost:5000/a/b:v[12]", "v[12]"),
        ("localhost:5000/a/b", ""),
    ],
)
def test_a_tag_with_wildcards_is_a_pattern(image: str, pattern: str) -> None:
    assert WishlistEntry(image=image).pattern == pattern


@pytest.mark.parametrize(
    ("tags", "ordered"),
    [
        (["1.9", "1.10", "1.2"], ["1.10", "1.9", "1.2"]),
        (["2.0", "2.0-rc1", "2.0.1"], ["2.0.1", "2.0", "2.0-rc1"]),
        (["v1", "v10", "v2"], ["v10", "v2", "v1"]),
        (["latest", "1"], ["1", "latest"]),
        (["20240101", "20231231"], ["20240101", "20231231"]),
    ],
)
def test_tags_are_ordered_as_people_number_them(tags: list[str], ordered: list[str]) -> None:
    assert sorted(tags, key=version, reverse=True) == ordered


@given(st.lists(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)))
def test_any_tags_can_be_ordered(tags: list[str]) -> None:
    assert len(sorted(tags, key=version)) == len(tags)


def test_an_entry_takes_from_its_list_what_it_does_not_say() -> None:
    wishes = WishList.model_validate(
        {
            "registry": "quay.io",
            "grace": "7d",
            "platforms": ["linux/arm64"],
            "images": ["a/b:1", {"image": "c/d:1", "grace": 0, "registry": "ghcr.io"}],
        }
    )
    first, second = wishes.entries()
    assert first.reference().text == "quay.io/a/b:1"
    assert (first.grace, first.platforms, first.layouts) == (7 * 86400, ("linux/arm64",), ("udocker",))
    assert (second.reference().host, second.grace) == ("ghcr.io", 0)


def test_the_shipped_example_is_a_wish_list() -> None:
    wishes = load(EXAMPLE)
    assert wishes.name == "images"
    assert {bool(entry.pattern) for entry in wishes.entries()} == {True, False}
    assert any(entry.reference().digest for entry in wishes.entries() if not entry.pattern)


def test_the_name_of_a_list_is_that_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "nightly.yaml").write_text("images: []")
    assert load(tmp_path / "nightly.yaml").name == "nightly"
    (tmp_path / "a b.yaml").write_text("images: []")
    with pytest.raises(BadRequest, match="must be letters"):
        load(tmp_path / "a b.yaml")


def test_amounts_are_read_as_people_write_them() -> None:
    assert [bytes_of(text) for text in ("20G", "512Mi", "1.5kB", "7", 7)] == [20 * 10**9, 2**29, 1500, 7, 7]
    assert [seconds_of(text) for text in ("30d", "12h", "90", "2w", 0)] == [2592000, 43200, 90, 1209600, 0]
    assert [size_text(number) for number in (0, 999, 1500, 2.5e12)] == ["0 B", "999 B", "1.5 kB", "2.5 TB"]
    for wrong in ("", "many", "-1", "5x", None):
        with pytest.raises(ValueError, match="an amount"):
            bytes_of(wrong)
        with pytest.raises(ValueError, match="a time"):
            seconds_of(wrong)
