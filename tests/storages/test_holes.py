"""Holes stay holes, wherever a file is copied or comes in."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine.api.digests import Digests
from engine.api.receiving import PIECE, Incoming
from engine.api.tree import Tree
from engine.domain.file_urls import to_url
from engine.storages.file import FileStorage
from wrappers.node import files

pytestmark = pytest.mark.whole

SIZE = 64 << 20
PARTS = [{}, {0: b"start"}, {SIZE - 4: b"end."}, {0: b"start", 5 << 20: b"middle", SIZE - 4: b"end."}]


@pytest.fixture(params=range(len(PARTS)))
def sparse(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file of which nearly nothing is written."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for at, data in PARTS[request.param].items():
            file.seek(at)
            file.write(data)
        file.truncate(SIZE)
    return path


def is_the_same(one: Path, other: Path) -> None:
    with one.open("rb") as first, other.open("rb") as second:
        assert hashlib.file_digest(first, "md5").digest() == hashlib.file_digest(second, "md5").digest()
    assert other.stat().st_size == SIZE
    assert other.stat().st_blocks * 512 < SIZE // 4


def test_a_result_that_must_be_copied(sparse: Path, tmp_path: Path) -> None:
    sha256, size = files.copy(str(sparse), str(tmp_path / "copy"))
    assert (sha256, size) == (hashlib.sha256(sparse.read_bytes()).hexdigest(), SIZE)
    is_the_same(sparse, tmp_path / "copy")


def test_a_copy_on_this_machine(sparse: Path, tmp_path: Path) -> None:
    storage = FileStorage()
    storage.send(sparse, to_url(tmp_path / "sent"), keep=True)
    is_the_same(sparse, tmp_path / "sent")
    storage.get(to_url(sparse), tmp_path / "got")
    is_the_same(sparse, tmp_path / "got")
    directory = tmp_path / "directory"
    directory.mkdir()
    os.link(sparse, directory / "inside")
    storage.get(to_url(directory), tmp_path / "tree")
    is_the_same(sparse, tmp_path / "tree" / "inside")


def test_a_file_that_comes_in(sparse: Path, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "root")
    incoming = Incoming(tree, Digests(), ["md5"])
    with sparse.open("rb") as file:
        while piece := file.read(PIECE):
            incoming.write([piece[:1000], piece[1000:]])
    incoming.publish(("file",))
    incoming.close()
    is_the_same(sparse, tmp_path / "root" / "file")
    tree.close()
