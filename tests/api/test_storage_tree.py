"""The virtual tree on a storage whose dates count whole seconds and which has no rename: object storages."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.api.tree import Tree
from engine.api.trees.directory import DirectoryTree
from engine.api.trees.split import SplitTree
from engine.api.trees.storage import StorageTree
from engine.app.access.tokens import Segments
from engine.app.portal.site import TreeStorage
from engine.app.portal.trash import discard
from engine.app.portal.virtual import trash_of
from engine.clock import SystemClock
from engine.domain.file_urls import to_path, to_url
from engine.errors import BadRequest
from engine.ports import Stat, StorageCapabilities
from engine.settings.service import ApiSection
from engine.storages.file import FileStorage
from engine.testing.clock import FakeClock

LONG = 60
HOME: Segments = ("vip", "users", "u", "home")


class Objects(FileStorage):
    """Files that are told as an object storage would; a move can be held up."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = StorageCapabilities(rename=False)
        self.dated = True
        self.read_back = 0
        self.moving = threading.Semaphore(0)
        self.may_move = threading.Event()
        self.may_move.set()

    def stat(self, url: str) -> Stat | None:
        found = super().stat(url)
        return found and replace(found, modified=float(int(found.modified)) if self.dated else 0.0)

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        self.read_back += 1
        return super().checksum(url, algorithm)

    def move(self, source: str, target: str) -> None:
        if self.stat(target) is not None:
            raise BadRequest(f"{target} exists already")
        self.moving.release()
        assert self.may_move.wait(LONG)
        to_path(target).parent.mkdir(parents=True, exist_ok=True)
        to_path(source).replace(to_path(target))  # as a copy is: what came meanwhile is written over


@pytest.fixture
def storage() -> Objects:
    return Objects()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(SystemClock().now())


@pytest.fixture
def tree(tmp_path: Path, storage: Objects, clock: FakeClock) -> Iterator[StorageTree]:
    with closing(Tree(tmp_path / "root")) as parts:
        yield StorageTree(storage, TreeStorage(to_url(tmp_path / "far")), parts, clock)


@pytest.fixture
def whole(tree: StorageTree, tmp_path: Path) -> Iterator[SplitTree]:
    root = tmp_path / "near"
    with closing(Tree(root)) as near:
        yield SplitTree(tree, DirectoryTree(near, ApiSection(root=root)))


def put(tree: StorageTree, name: str, content: bytes, *algorithms: str) -> Segments:
    incoming = tree.receive(algorithms)
    incoming.write([content])
    incoming.publish((*HOME, name))
    incoming.close()
    return (*HOME, name)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_a_checksum_of_what_was_received_is_not_read_back(tree: StorageTree, storage: Objects) -> None:
    path = put(tree, "a.bin", b"content", "md5")
    assert tree.md5(path) == md5(b"content")
    assert storage.read_back == 0


@pytest.mark.parametrize("algorithms", [(), ("md5",)])
def test_what_is_written_over_with_the_same_size_in_the_same_second_has_its_own_checksum(
    tree: StorageTree, storage: Objects, tmp_path: Path, algorithms: tuple[str, ...]
) -> None:
    path = put(tree, "a.bin", b"first", *algorithms)
    file = tmp_path.joinpath("far", *path)
    date = file.stat().st_mtime
    assert tree.md5(path) == md5(b"first")
    put(tree, "a.bin", b"other", *algorithms)
    os.utime(file, (date, date))
    assert tree.md5(path) == md5(b"other")


def test_the_checksum_of_a_file_that_took_the_place_of_another_is_its_own(
    tree: StorageTree, tmp_path: Path
) -> None:
    one, two = put(tree, "one.bin", b"first", "md5"), put(tree, "two.bin", b"other", "md5")
    for path in (one, two):
        os.utime(tmp_path.joinpath("far", *path), (1e9, 1e9))
        tree.md5(path)
    tree.remove(one)
    tree.move(two, one)
    assert tree.md5(one) == md5(b"other")


def test_what_may_still_change_within_its_second_is_summed_each_time_and_has_no_name(
    tree: StorageTree, storage: Objects, clock: FakeClock
) -> None:
    path = put(tree, "a.bin", b"content")
    for _ in range(2):
        tree.md5(path)
    assert storage.read_back == 2
    assert not tree.open(path).tag
    clock.sleep(60)
    for _ in range(2):
        tree.md5(path)
    assert storage.read_back == 3
    assert tree.open(path).tag == tree.open(path).tag != ""


def test_without_dates_nothing_is_remembered(tree: StorageTree, storage: Objects) -> None:
    storage.dated = False
    path = put(tree, "a.bin", b"first", "md5")
    assert tree.md5(path) == md5(b"first")
    put(tree, "a.bin", b"other", "md5")
    assert tree.md5(path) == md5(b"other")
    assert not tree.open(path).tag


def test_a_file_that_goes_before_it_is_read_is_told_as_a_file_system_does(
    tree: StorageTree, tmp_path: Path
) -> None:
    path = put(tree, "a.bin", b"content")
    for offset in (0, 3):
        with closing(tree.open(path)) as file:
            kept = tmp_path.joinpath("far", *path).rename(tmp_path / "kept")
            with pytest.raises(OSError, match=r"No such file|Stale|Invalid") as caught:
                file.read(offset, 2)
            kept.rename(tmp_path.joinpath("far", *path))
        assert "file:" not in str(caught.value)


def test_two_files_of_one_name_that_are_removed_at_once_both_lie_in_the_trash(
    tree: StorageTree, whole: SplitTree, storage: Objects, tmp_path: Path
) -> None:
    one = put(tree, "a.txt", b"one")
    below = (*HOME, "below", "a.txt")
    tree.move(put(tree, "b.txt", b"two"), below)
    storage.moving.acquire()
    storage.may_move.clear()
    with ThreadPoolExecutor() as threads:
        both = [threads.submit(discard, whole, path, "u") for path in (one, below)]
        assert storage.moving.acquire(timeout=LONG)
        storage.moving.acquire(timeout=0.2)  # the other would be lost if it moved now
        storage.may_move.set()
        for done in both:
            done.result(LONG)
    trash = tmp_path.joinpath("far", *trash_of("u"))
    assert sorted(path.read_bytes() for path in trash.iterdir() if path.suffix == ".txt") == [b"one", b"two"]


def test_a_removal_that_is_asked_for_again_waits_for_the_first_and_finds_nothing(
    tree: StorageTree, whole: SplitTree, storage: Objects
) -> None:
    path = put(tree, "a.txt", b"one")
    storage.may_move.clear()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(discard, whole, path, "u")
        assert storage.moving.acquire(timeout=LONG)
        second = threads.submit(discard, whole, path, "u")
        storage.may_move.set()
        first.result(LONG)
        with pytest.raises(FileNotFoundError):
            second.result(LONG)
    assert not storage.moving.acquire(blocking=False)
    assert [one.name for one in tree.items(trash_of("u"))] == ["a.txt"]
