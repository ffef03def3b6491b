"""What people write is turned into URLs, and URLs are known by their storage: the one that is nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.app.data.locations import aliases_of, storage_name, url_of
from engine.errors import BadRequest
from engine.settings.tree import Settings

STORAGES = Settings.model_validate(
    {
        "storages": {
            "disk": {"url": "root://se.example.org//vo", "aliases": ["https://se.example.org:443/vo/"]},
            "inner": {
                "url": "https://se.example.org/vo/inner",
                "aliases": ["root://se.example.org//vo/inner"],
            },
        }
    }
).storages


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://se.example.org/vo/a", "disk"),
        ("https://se.example.org/vo/inner/a", "inner"),
        ("root://se.example.org//vo/inner/a", "inner"),
        ("davs://SE.example.org:443/vo/inner/a", "inner"),
        ("xroot://se.example.org:1094//vo/a", "disk"),
        ("https://se.example.org/vo2/a", "se.example.org"),
        ("file:///vo/a", "localhost"),
    ],
)
def test_a_storage_is_known_by_its_longest_beginning_however_it_is_spelt(url: str, name: str) -> None:
    assert storage_name(url, STORAGES) == name


@pytest.mark.parametrize(
    ("url", "doors"),
    [
        ("https://se.example.org/vo/inner/a%20b", ["root://se.example.org//vo/inner/a%20b"]),
        ("root://se.example.org//vo/a", ["https://se.example.org:443/vo/a"]),
        ("root://SE.example.org:1094//vo/a?x=y", ["https://se.example.org:443/vo/a?x=y"]),
        ("davs://se.example.org/vo", ["root://se.example.org//vo"]),
        ("https://elsewhere.example.org/vo/a", []),
    ],
)
def test_the_other_doors_of_a_file_are_those_of_its_own_storage(url: str, doors: list[str]) -> None:
    assert aliases_of(url, STORAGES) == doors


def test_what_is_written_is_a_url_or_a_place_in_a_storage_or_a_path(tmp_path: Path) -> None:
    assert url_of("disk:/a b", STORAGES) == "root://se.example.org//vo/a%20b"
    assert url_of("inner:", STORAGES) == "https://se.example.org/vo/inner"
    assert url_of("https://x.example.org/a", STORAGES) == "https://x.example.org/a"
    assert url_of(tmp_path.as_uri(), STORAGES) is None
    assert url_of("nowhere:a", STORAGES) is None
    with pytest.raises(BadRequest, match=r"no \.\."):
        url_of("disk:a/../../b", STORAGES)
