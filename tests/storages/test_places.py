"""Which storage a URL belongs to, and what names may be."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.urls import child, leaves, name_of, parent
from engine.errors import BadRequest
from engine.ports import Stat, entries
from engine.storages.file import FileStorage
from engine.storages.sections import StorageSettings, scheme_of, storage_of

DISK = StorageSettings(url="root://se.example.org//vo", aliases=("https://se.example.org:443/vo",))
INNER = StorageSettings(url="https://se.example.org/vo/inner/")
OTHER = StorageSettings(url="https://other.example.org")
EVERY = [DISK, INNER, OTHER]


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("root://se.example.org//vo/a", DISK),
        ("root://se.example.org:1094//vo/a", DISK),
        ("xroot://SE.example.org/vo/a", DISK),
        ("root://se.example.org//vo", DISK),
        ("https://se.example.org/vo/inner/a", INNER),
        ("davs://se.example.org/vo/inner", INNER),
        ("https://other.example.org/", OTHER),
        ("https://other.example.org/deep/a", OTHER),
        ("root://se.example.org//vo2/a", None),
        ("root://se.example.org:1095//vo/a", None),
        ("https://other.example.org.evil.org/a", None),
        ("http://other.example.org/a", None),
        ("file:///vo/a", None),
    ],
)
def test_a_url_belongs_to_its_longest_beginning(url: str, place: StorageSettings | None) -> None:
    assert storage_of(url, EVERY) == place


def test_another_door_is_the_same_storage_by_that_door() -> None:
    found = storage_of("https://se.example.org/vo/a", EVERY)
    assert found == replace(DISK, url=DISK.aliases[0], aliases=(DISK.url,))


@pytest.mark.parametrize(
    ("url", "scheme"), [("davs://x/a", "https"), ("XROOT://x//a", "root"), ("s3://b", "s3")]
)
def test_schemes_have_one_spelling(url: str, scheme: str) -> None:
    assert scheme_of(url) == scheme


def test_what_has_no_scheme_is_no_url() -> None:
    with pytest.raises(BadRequest, match="no URL"):
        scheme_of("/a/path")


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_any_name_comes_back_from_its_url(name: str) -> None:
    url = child("https://x/dir", name)
    assert unquote(url.rpartition("/")[2]) == name
    assert parent(url) == "https://x/dir"
    assert name_of(url) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up", "/etc/passwd", "nul\0"])
def test_a_name_that_leads_out_of_its_directory_is_refused(name: str) -> None:
    class Lying(FileStorage):
        def entries(self, url: str) -> dict[str, Stat]:
            return {"good": Stat(1, 0.0), name: Stat(1, 0.0)}

    assert leaves(name)
    with pytest.raises(BadRequest, match="lead out"):
        entries(Lying(), "file:///x")
