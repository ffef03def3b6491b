"""The cache of inputs on a node: each file by its content, and no more bytes than it may hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leftovers import nothing_left
from wrappers.transfer.cache import CachedInput, Damaged, InputCache, key
from wrappers.transfer.part import Expected

SIZE = 10


@pytest.fixture(autouse=True)
def tidy(tmp_path: Path) -> Iterator[None]:
    """Nothing is half made, and no lock is held, whatever a test did."""
    with nothing_left(tmp_path):
        yield
    assert list(tmp_path.glob("cache/staging/*")) == []


class Node:
    """A node whose jobs take files from a cache of so many bytes; what is not there is brought."""

    def __init__(self, directory: Path, limit: int | None) -> None:
        self.directory = directory
        self.cache = InputCache(str(directory / "cache"), limit)
        self.brought: list[str] = []
        self._moment = 0

    def take(self, name: str, data: bytes | None = None) -> CachedInput:
        """A job takes the file of this name, ten bytes of it, a second after the one before."""
        content = name[0].encode() * SIZE

        def bring(path: str) -> None:
            self.brought.append(name)
            Path(path).write_bytes(content if data is None else data)

        target = self.directory / "target"
        target.unlink(missing_ok=True)
        expected = Expected(SIZE, {"sha256": hashlib.sha256(content).hexdigest()})
        taken = self.cache.take(expected, ["https://x/y"], str(target), bring)
        assert target.read_bytes() == content
        self._moment += 1
        os.utime(self.directory / "cache/locks" / key(expected, []), (self._moment, self._moment))
        return taken

    @property
    def kept(self) -> str:
        """The files that are there."""
        found = self.directory.glob("cache/ready/*/content")
        return "".join(sorted(path.read_bytes()[:1].decode() for path in found))


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(None, "abc"), (30, "abc"), (29, "bc"), (20, "bc"), (19, "c"), (10, "c"), (9, "c"), (0, "c")],
)
def test_the_longest_unused_go_until_the_limit_holds_and_what_was_just_taken_stays(
    tmp_path: Path, limit: int | None, kept: str
) -> None:
    """Without it, inputs fill the disk of a node until every job there fails."""
    node = Node(tmp_path, limit)
    for name in "abc":
        assert node.take(name) == CachedInput(SIZE, hashlib.sha256(name.encode() * SIZE).hexdigest(), False)
    assert node.kept == kept


def test_what_is_used_again_stays_longer(tmp_path: Path) -> None:
    node = Node(tmp_path, 20)
    node.take("a")
    node.take("b")
    assert node.take("a").hit
    node.take("c")
    assert node.kept == "ac"
    assert node.brought == ["a", "b", "c"]


def test_a_damaged_file_is_brought_anew(tmp_path: Path) -> None:
    """Without it, a bad disk gives every job of a node the wrong data."""
    node = Node(tmp_path, None)
    node.take("a")
    [path] = tmp_path.glob("cache/ready/*/content")
    path.write_bytes(b"b" * SIZE)
    assert not node.take("a").hit
    assert node.brought == ["a", "a"]
    assert node.kept == "a"


def test_a_disk_that_gives_back_something_else_every_time_is_told(tmp_path: Path) -> None:
    node = Node(tmp_path, None)
    with pytest.raises(Damaged, match="a damaged file that cannot be replaced"):
        node.take("a", b"b" * SIZE)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(("size", "takes"), [(9, True), (10, True), (11, False), (None, True)])
def test_a_file_that_is_larger_than_the_cache_may_be_is_not_kept(
    tmp_path: Path, size: int | None, takes: bool
) -> None:
    cache = InputCache(str(tmp_path / "cache"), 10)
    assert cache.takes(Expected(size, {"md5": "0"}), []) is takes
    assert InputCache(str(tmp_path / "cache")).takes(Expected(1 << 60, {"md5": "0"}), [])
    assert not cache.takes(Expected(1, {}), ["https://x/y"]), "nothing tells it from others"
