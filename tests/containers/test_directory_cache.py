"""Directories that are made exactly once, whoever asks and whoever dies."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.services.unprivileged import Unprivileged
from wrappers.containers.directory_cache import DirectoryCache

MAKER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from wrappers.containers.directory_cache import DirectoryCache

def make(into):
    into.mkdir()
    with open(sys.argv[1] + "/log", "a") as log:
        log.write("made\\n")
    (into / "half").touch()
    time.sleep(float(sys.argv[3]))
    (into / "whole").touch()

taken = DirectoryCache(Path(sys.argv[1], "shelf")).take("it", make)
assert (taken.path / "whole").exists()
"""
ROOT = str(Path(__file__).resolve().parents[2])


def maker(place: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", MAKER, str(place), ROOT, str(seconds)])


def make_empty(into: Path) -> str:
    into.mkdir()
    return "made"


def test_many_who_ask_at_once_get_one(tmp_path: Path) -> None:
    makers = [maker(tmp_path, 0.3) for _ in range(8)]
    assert [process.wait() for process in makers] == [0] * 8
    assert (tmp_path / "log").read_text() == "made\n"


def test_what_a_killed_maker_leaves_is_removed_and_made_again(tmp_path: Path) -> None:
    with maker(tmp_path, 600) as first:
        staging = tmp_path / "shelf" / "staging"
        while not list(tmp_path.glob("shelf/staging/*/it/half")):
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    assert len(list(staging.iterdir())) == 1
    with maker(tmp_path, 0) as second:
        assert second.wait() == 0
    assert list(staging.iterdir()) == []


def test_debris_of_another_name_is_swept_too_but_not_work_in_progress(tmp_path: Path) -> None:
    shelf = DirectoryCache(tmp_path)
    shelf.take("first", make_empty).release()
    for name in ("dead", "alive"):
        (tmp_path / "staging" / f"{name}.x1").mkdir()
    with open(tmp_path / "locks" / "alive", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shelf.take("second", make_empty).release()
    assert os.listdir(tmp_path / "staging") == ["alive.x1"]


def test_a_failure_leaves_nothing_and_the_next_may_try(tmp_path: Path) -> None:
    shelf = DirectoryCache(tmp_path)

    def fail(into: Path) -> None:
        (into / "part").mkdir(parents=True)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        shelf.take("it", fail)
    assert os.listdir(tmp_path / "staging") == os.listdir(tmp_path / "ready") == []
    assert shelf.take("it", make_empty).made == "made"
    assert shelf.take("it", make_empty).made is None


def test_what_is_in_use_is_not_removed(tmp_path: Path) -> None:
    shelf = DirectoryCache(tmp_path)
    one, two = shelf.take("it", make_empty), shelf.take("it", make_empty)
    assert not shelf.remove("it")
    one.release()
    assert not shelf.remove("it")
    two.release()
    assert shelf.remove("it")
    assert shelf.names() == []
    assert not shelf.remove("it")


def test_names_come_least_recently_used_first(tmp_path: Path) -> None:
    shelf = DirectoryCache(tmp_path)
    for name in ("a", "b", "c"):
        shelf.take(name, make_empty).release()
    for age, name in enumerate(("b", "c", "a")):
        os.utime(tmp_path / "locks" / name, (1000 + age, 1000 + age))
    assert shelf.names() == ["b", "c", "a"]
    shelf.take("b", make_empty).release()
    assert shelf.names() == ["c", "a", "b"]


def test_a_shelf_that_cannot_be_written_still_gives_what_it_has(unprivileged: Unprivileged) -> None:
    shelf = unprivileged.directory / "shelf"
    DirectoryCache(shelf).take("it", make_empty).release()
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from wrappers.containers.directory_cache import DirectoryCache\n"
        "print(DirectoryCache(Path(sys.argv[2])).take('it', None).path)\n"
        "DirectoryCache(Path(sys.argv[2])).take('other', lambda into: into.mkdir())\n"
    )
    for path in (shelf, *shelf.rglob("*")):
        path.chmod(0o555)
    done = unprivileged.run(["/usr/bin/python3", "-c", code, ROOT, shelf])
    assert done.stdout == f"{shelf}/ready/it\n"
    assert "Permission denied" in done.stderr


def test_what_is_removed_takes_no_room_any_more(tmp_path: Path) -> None:
    """Without it, a node's disk is full of images that it counts as gone."""
    cache = DirectoryCache(tmp_path)

    def make(into: Path) -> None:
        into.mkdir()
        (into / "large").write_bytes(b"x" * 100)
        (into / "closed").mkdir(mode=0o500)

    cache.take("it", make).release()
    assert cache.remove("it")
    assert [
        path for path in tmp_path.rglob("*") if path.parent.name != "locks" and path.parent != tmp_path
    ] == []
    assert not cache.remove("it"), "it is not there any more"


def test_what_is_in_use_is_not_removed_and_may_be_once_it_is_released(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path)
    one, other = (cache.take("it", make_empty) for _ in range(2))
    one.release()
    assert not cache.remove("it")
    assert other.path.is_dir()
    other.release()
    assert cache.remove("it")
    assert cache.names() == []


def test_the_names_come_in_the_order_of_their_last_use(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path)
    for number, name in enumerate(["b", "a", "c", "b"]):
        cache.take(name, make_empty).release()
        os.utime(tmp_path / "locks" / name, (number, number))
    assert cache.names() == ["a", "c", "b"]
    (tmp_path / "locks" / "c").unlink()
    assert cache.names() == ["c", "a", "b"], "of which nothing is known goes first"


def test_what_a_maker_that_fails_leaves_is_removed_and_its_error_is_handed_on(tmp_path: Path) -> None:
    cache = DirectoryCache(tmp_path)

    def fail(into: Path) -> None:
        into.mkdir()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cache.take("it", fail)
    assert cache.names() == []
    assert list((tmp_path / "staging").iterdir()) == []
    taken = cache.take("it", make_empty)
    assert taken.made == "made", "and the lock is free"
    taken.release()
