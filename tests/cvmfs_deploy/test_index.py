"""The index: what names mean, who wants them, and when an image may go. Pure, so tested without any file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmfs_deploy.index import Index, Name, PublishedImage, from_json
from engine.errors import NotFound, Unavailable

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")


def image(digest: str, grace: float = 100.0) -> PublishedImage:
    return PublishedImage(
        digest=digest,
        reference="docker.io/library/x:1",
        platform="linux/amd64",
        source="registry",
        size=1,
        entries=1,
        compressed=1,
        layers=(),
        published="2026-01-01T00:00:00Z",
        tool="t",
        grace=grace,
    )


def name(digest: str, wish: str = "nightly", grace: float = 100.0) -> Name:
    return Name(
        digest=digest,
        reference="docker.io/library/x:1",
        platform="linux/amd64",
        since="2026-01-01T00:00:00Z",
        lists=(wish,),
        grace=grace,
    )


def published(*digests: str) -> Index:
    index = Index()
    for digest in digests:
        index = index.with_image(image(digest))
    return index


def test_an_image_is_retired_when_its_last_name_leaves() -> None:
    index = published(A).with_name("x", name(A)).with_name("y", name(A)).with_named_images(10)
    assert index.images[A].retired is None
    assert index.without_name("x").with_named_images(20).images[A].retired is None
    assert index.without_name("x").without_name("y").with_named_images(20).images[A].retired == 20
    later = index.without_name("x").without_name("y").with_named_images(20).with_named_images(50)
    assert later.images[A].retired == 20


def test_it_goes_after_its_grace_time_and_not_before() -> None:
    index = (
        published(A)
        .with_name("x", name(A, grace=30))
        .with_named_images(0)
        .without_name("x")
        .with_named_images(100)
    )
    assert index.expired(129) == []
    assert index.expired(130) == [A]
    assert index.expired(101, grace=0) == [A]


def test_a_name_that_comes_back_brings_its_image_back() -> None:
    index = published(A).with_named_images(0)
    assert index.images[A].retired == 0
    assert index.with_name("x", name(A)).with_named_images(5).images[A].retired is None


def test_a_name_remembers_what_it_meant() -> None:
    index = published(A, B, C)
    for digest in (A, B, C, A):
        index = index.with_name("x", name(digest))
    assert (index.names["x"].digest, index.names["x"].previous) == (A, (C, B))
    back = index.rolled_back("x", "now")
    assert (back.names["x"].digest, back.names["x"].previous, back.names["x"].held) == (C, (A, B), True)


def test_a_rollback_skips_what_is_gone() -> None:
    index = published(A, B, C)
    for digest in (A, B, C):
        index = index.with_name("x", name(digest))
    assert index.without_images([B]).rolled_back("x", "now").names["x"].digest == A
    with pytest.raises(NotFound):
        index.without_images([A, B]).rolled_back("x", "now")
    with pytest.raises(NotFound):
        index.rolled_back("unknown", "now")


def test_a_name_goes_when_no_list_wants_it() -> None:
    index = published(A).with_name("x", name(A, "one")).with_name("x", name(A, "two"))
    assert index.names["x"].lists == ("one", "two")
    assert index.unwanted("x", "one").names["x"].lists == ("two",)
    assert "x" not in index.unwanted("x", "one").unwanted("x", "two").names


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from([A, B, C, ""])), max_size=20))
def test_no_image_that_a_name_leads_to_ever_expires(steps: list[tuple[str, str]]) -> None:
    index = published(A, B, C)
    for now, (key, digest) in enumerate(steps):
        if digest:
            index = index.with_name(key, name(digest))
        elif key in index.names:
            index = index.without_name(key)
        index = index.with_named_images(now)
        alive = {one.digest for one in index.names.values()}
        assert alive.isdisjoint(index.expired(1e12))
        assert set(index.expired(1e12)) | alive == {A, B, C}
    assert from_json(index.to_json(), "index").same(index)


def test_a_damaged_index_is_refused_and_a_newer_one_too() -> None:
    for text in (b"", b"[]", b'{"images": {"x": 1}}'):
        with pytest.raises(Unavailable, match="is damaged"):
            from_json(text, "index.json")
    with pytest.raises(Unavailable, match="newer"):
        from_json(b'{"version": 2}', "index.json")
    assert from_json(b'{"version": 1, "unknown": 1}', "index.json") == Index()
