"""Nested catalogs: no catalog too large where it can be split, none too small to be worth a request."""

from __future__ import annotations

import posixpath

from hypothesis import given, settings
from hypothesis import strategies as st

from cvmfs_deploy.catalogs import catalog_directories

MOST = 3000


def weights(directories: list[bytes], others: list[bytes], chosen: list[bytes]) -> dict[bytes, int]:
    """How many entries each catalog has; the entry of a nested one's top is in the catalog above."""

    def owner(path: bytes) -> bytes:
        above = posixpath.dirname(path)
        while above not in chosen and above:
            above = posixpath.dirname(above)
        return above

    found: dict[bytes, int] = dict.fromkeys([b"", *chosen], 0)
    for path in [*directories, *others]:
        found[owner(path)] += 1
    return found


def test_a_small_tree_has_one_catalog() -> None:
    assert catalog_directories([b"a", b"a/b"], [b"a/x", b"y"], MOST) == []


def test_the_heavy_part_of_a_large_tree_gets_its_own() -> None:
    files = [b"usr/lib/%d" % number for number in range(4000)] + [b"etc/%d" % number for number in range(50)]
    assert catalog_directories([b"usr", b"usr/lib", b"etc"], files, MOST) == [b"usr/lib"]


def test_a_flat_directory_cannot_be_split() -> None:
    files = [b"big/%d" % number for number in range(9000)]
    assert catalog_directories([b"big"], files, MOST) == [b"big"]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_no_catalog_is_too_large_when_directories_are_small(data: st.DataObject) -> None:
    depth = data.draw(st.integers(1, 3))
    directories: list[bytes] = []
    level = [b""]
    for _ in range(depth):
        level = [
            posixpath.join(parent, b"%d" % number)
            for parent in level
            for number in range(data.draw(st.integers(1, 3)))
        ]
        directories += level
    counts = {path: data.draw(st.integers(0, 1500)) for path in directories}
    others = [
        posixpath.join(path, b"f%d" % number) for path, count in counts.items() for number in range(count)
    ]
    chosen = catalog_directories(directories, others, 8000)
    found = weights(directories, others, chosen)
    assert len(set(chosen)) == len(chosen)
    # what is left is at most the limit, or has no subdirectory that is worth a catalog
    for top, weight in found.items():
        nested = [path for path in chosen if posixpath.dirname(path) == top]
        assert weight <= 8000 + 1500 or nested == []
    assert all(weight >= 900 for top, weight in found.items() if top)
