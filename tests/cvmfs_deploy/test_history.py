"""What is made from a part of a published tree is what its layers make, and so is what is noted of it."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvmfs_deploy import history, listing
from cvmfs_deploy.borrowed import BaseImage, first_part, image_paths, shared
from tests.cvmfs_deploy.site import layer
from tests.services.images import add
from wrappers.containers.errors import CorruptImage
from wrappers.containers.layers import extract
from wrappers.containers.listing import ListingEntry
from wrappers.containers.tarstream import Layer

pytestmark = pytest.mark.whole

Adds = Callable[[tarfile.TarFile], object]


class Tree(NamedTuple):
    """An unpacked image."""

    entries: list[ListingEntry]
    history: history.History


def file(name: str, content: str) -> Adds:
    return lambda tar: add(tar, name, content)


def directory(name: str, mode: int) -> Adds:
    return lambda tar: add(tar, name, mode=mode, kind=tarfile.DIRTYPE)


def link(name: str, target: str) -> Adds:
    return lambda tar: add(tar, name, link=target, kind=tarfile.SYMTYPE)


def hard(name: str, target: str) -> Adds:
    return lambda tar: add(tar, name, link=target, kind=tarfile.LNKTYPE)


def pipe(name: str) -> Adds:
    return lambda tar: add(tar, name, kind=tarfile.FIFOTYPE)


FILES = st.sampled_from(["a/x", "a/y", "b/x", "a/s/z", "c", "l/x"])
DIRECTORIES = st.sampled_from(["a", "b", "a/s", "c"])
REMOVED = st.sampled_from([".wh.a", ".wh.c", "a/.wh.s", "a/.wh.x", "a/.wh..wh..opq", "a/s/.wh..wh..opq"])
ENTRIES = st.one_of(
    st.builds(file, FILES, st.sampled_from(["1", "2", "3"])),
    st.builds(directory, DIRECTORIES, st.sampled_from([0o755, 0o711])),
    st.builds(link, st.sampled_from(["l", "c", "a/x"]), st.sampled_from(["a", "/a", "b", "../b"])),
    st.builds(hard, st.sampled_from(["h", "a/h", "a/x"]), st.sampled_from(["a/x", "c", "b/x", "p"])),
    st.builds(pipe, st.sampled_from(["p", "a/y"])),
    st.builds(file, REMOVED, st.just("")),
)
LAYERS = st.lists(st.lists(ENTRIES, max_size=5), max_size=3)


def unpacked(place: Path, layers: Sequence[Layer], base: BaseImage | None = None) -> Tree:
    """Unpack layers, those that are not in `base`."""
    place.mkdir()
    root = place / "ROOT"
    if base:
        base.lay(root)
    recorder = history.Recorder(
        os.fsencode(root),
        base.history if base else history.History(),
        lambda text: base is not None and text.startswith(base.token),
    )
    left = layers[base.layers if base else 0 :]
    extract(left, root, readable=True, onto=base is not None, watch=recorder)
    entries = listing.scan(os.fsencode(place))
    return Tree(base.resolved(entries)[0] if base else entries, recorder.history())


def stored(place: Path, layers: Sequence[Sequence[Adds]]) -> list[Layer]:
    """Layers on disk."""
    found = []
    for entries in layers:
        data = layer(None, *entries)
        sha256 = hashlib.sha256(data).hexdigest()
        path = place / sha256
        path.write_bytes(data)
        found.append(Layer(path, f"sha256:{sha256}"))
    return found


@settings(max_examples=150, deadline=None)
@given(first=LAYERS, published=LAYERS, new=LAYERS)
def test_an_image_from_a_part_of_another_is_the_image_from_its_layers(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[list[Adds]],
    published: list[list[Adds]],
    new: list[list[Adds]],
) -> None:
    place = tmp_path_factory.mktemp("any")
    some = [file(name, "0") for name in ("a/x", "a/y", "a/s/z", "b/x", "c")]
    first = [some, *first]
    theirs, ours = stored(place, [*first, *published]), stored(place, [*first, *new])
    try:
        there, whole = unpacked(place / "there", theirs), unpacked(place / "whole", ours)
    except CorruptImage:
        return  # an image that nobody has
    paths = image_paths(there.entries)
    sha256 = history.write(place / "there", there.history, paths)
    kept = history.read(place / "there", paths, sha256)
    assert kept is not None
    layers = shared([one.diff_id for one in ours], [one.diff_id for one in theirs])
    base = first_part(place / "there", layers, {one.path: one for one in there.entries}, kept)
    try:
        part = unpacked(place / "part", ours, base)
    except CorruptImage:
        # The image is unpacked whole then: a file that is published no more is needed, or a hard link is to
        # what was left out.
        assert base.gone or any(change.what.startswith("devices") for one in kept.changes for change in one)
        return
    assert part.entries == whole.entries
    assert part.history.origins == whole.history.origins
    assert sorted(part.history.lost) == sorted(whole.history.lost)
    assert part.history.changes == whole.history.changes


def test_a_history_that_is_not_the_one_of_its_record_is_not_believed(tmp_path: Path) -> None:
    sha256 = history.write(tmp_path, history.History({b"a": 0}, [], [[]]), [b"a"])
    assert history.read(tmp_path, [b"a"], sha256) is not None
    history.write(tmp_path, history.History({b"a": 1}, [], [[]]), [b"a"])
    assert history.read(tmp_path, [b"a"], sha256) is None
    with pytest.raises(ValueError, match="zip"):
        history.read(tmp_path, [], history.write(tmp_path, history.History({b"a": 1}, [], [[]]), [b"a"]))
