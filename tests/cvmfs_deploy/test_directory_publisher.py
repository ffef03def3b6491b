"""A directory as a destination, in this process: what is done, in which order, and that nothing is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvmfs_deploy.layout import Layout
from cvmfs_deploy.lock import holder, locked
from cvmfs_deploy.publish import effects
from cvmfs_deploy.publish.content import check_lease, compare, missing
from cvmfs_deploy.publish.directory import DirectoryPublisher
from cvmfs_deploy.published import Changes, PublishTree
from engine.errors import SettingsError, Unavailable
from tests.leftovers import nothing_left
from wrappers.containers import tree

LAYOUT = Layout("vip/containers")
STORE = "vip/containers/.store"


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[DirectoryPublisher]:
    """A destination that was looked at. Nothing stays staged once it is recovered, whatever a test did."""
    made = DirectoryPublisher(tmp_path / "top", LAYOUT)
    made.check()
    with nothing_left(tmp_path):
        yield made
    made.recover(force=False)
    assert list(made.staging.iterdir()) == []


def staged(publisher: DirectoryPublisher, name: str, text: str = "x") -> PublishTree:
    """A tree that was made, to be put into the store."""
    made = publisher.staging / name
    (made / "ROOT").mkdir(parents=True)
    (made / "ROOT/file").write_text(text)
    return PublishTree(made, f"{STORE}/{name}")


def test_what_recover_says_it_removed_is_gone(publisher: DirectoryPublisher) -> None:
    """Without it, an administrator frees a full file system by a command that frees nothing."""
    assert publisher.recover(force=False) == []
    staged(publisher, "b")
    staged(publisher, "a")
    (publisher.staging / "a/ROOT").chmod(0o500)
    assert publisher.recover(force=False) == [
        "removed a, which was never published",
        "removed b, which was never published",
    ]
    assert list(publisher.staging.iterdir()) == []


def test_recover_makes_what_is_not_there(tmp_path: Path) -> None:
    publisher = DirectoryPublisher(tmp_path / "new", LAYOUT)
    assert publisher.state() == "not made yet"
    assert publisher.recover(force=False) == []
    assert publisher.state() == "ready"
    assert publisher.staging.stat().st_mode & 0o777 == 0o700, "half made trees are nobody's business"


def test_trees_links_and_the_index_are_there_and_nothing_is_staged_any_more(
    publisher: DirectoryPublisher,
) -> None:
    changes = Changes(
        trees=(staged(publisher, "one"), staged(publisher, "two")),
        links={"vip/containers/name@1": ".store/one"},
        files={LAYOUT.index: b"{}", LAYOUT.copy: b"{}"},
    )
    publisher.publish(changes)
    top = publisher.top
    assert (top / STORE / "one/ROOT/file").read_text() == "x"
    assert (top / STORE / "two/ROOT/file").read_text() == "x"
    assert os.readlink(top / "vip/containers/name@1") == ".store/one"
    assert (top / LAYOUT.index).read_bytes() == (top / LAYOUT.copy).read_bytes() == b"{}"
    assert (top / LAYOUT.index).stat().st_mode & 0o777 == 0o644, "jobs of others read it"
    assert list(publisher.staging.iterdir()) == []
    assert sorted(path.name for path in (top / STORE).iterdir()) == [
        ".staging",
        "index.copy.json",
        "index.json",
        "one",
        "two",
    ]


def test_a_tree_takes_the_place_of_an_older_one_and_what_is_removed_is_gone(
    publisher: DirectoryPublisher,
) -> None:
    publisher.publish(Changes(trees=(staged(publisher, "one", "old"), staged(publisher, "two"))))
    (publisher.top / STORE / "two/ROOT").chmod(0o500)
    publisher.publish(
        Changes(trees=(staged(publisher, "one", "new"),), removed=(f"{STORE}/two", f"{STORE}/none"))
    )
    assert (publisher.top / STORE / "one/ROOT/file").read_text() == "new"
    assert not (publisher.top / STORE / "two").exists()
    assert list(publisher.staging.iterdir()) == []


def test_a_link_is_replaced_and_one_that_is_not_wanted_goes(publisher: DirectoryPublisher) -> None:
    publisher.publish(Changes(links={"a": "one", "b": "one"}))
    publisher.publish(Changes(links={"a": "two"}, unlinked=("b", "gone")))
    assert os.readlink(publisher.top / "a") == "two"
    assert not os.path.lexists(publisher.top / "b")


def test_each_step_comes_before_the_one_that_needs_it(
    publisher: DirectoryPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, a job finds a name whose image is not there, or a power cut takes its files."""
    done: list[str] = []
    real = os.replace, os.rename, effects.sync

    def name(path: str | Path) -> str:
        return Path(path).name

    def rename(source: str | Path, target: str | Path, **more: int) -> None:
        if not more:  # else it is part of a removal
            done.append(name(target))
        real[1](source, target, **more)

    def replace(source: str | Path, target: str | Path) -> None:
        done.append(name(target))
        real[0](source, target)

    def sync(path: Path) -> None:
        done.append("sync")
        real[2](path)

    def remove(path: Path) -> None:
        done.append("removed")
        tree.remove(path)

    monkeypatch.setattr(effects, "sync", sync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr("cvmfs_deploy.publish.directory.remove", remove)
    publisher.publish(Changes(trees=(staged(publisher, "old"),)))
    done.clear()
    publisher.publish(
        Changes(
            trees=(staged(publisher, "one"),),
            links={"name": "one"},
            files={LAYOUT.index: b"{}"},
            removed=(f"{STORE}/old",),
        )
    )
    assert done == ["sync", "one", "name", "index.json", "tree", "removed"]


def test_a_destination_that_cannot_be_written_is_named_and_keeps_what_it_had(
    publisher: DirectoryPublisher,
) -> None:
    publisher.publish(Changes(files={LAYOUT.index: b"old"}))
    (publisher.top / "taken").write_text("a file")
    with pytest.raises(Unavailable, match=r"cannot be written: .*taken.*: (Not a directory|File exists)"):
        publisher.publish(Changes(links={"taken/name": "one"}, files={LAYOUT.index: b"new"}))
    assert (publisher.top / LAYOUT.index).read_bytes() == b"old"


def test_of_two_runs_one_waits_and_names_the_other(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert holder(lock) == ""
    with nothing_left(tmp_path), locked(lock, 0.0):
        assert holder(lock) == f"process {os.getpid()} on {os.uname().nodename}"
        for shared in (False, True):
            words = f"another run is at work: process {os.getpid()} on"
            with pytest.raises(Unavailable, match=words), locked(lock, 0.0, shared):
                pass
    reads, words = (lock, 0.0, True), "a process that reads there"
    with (
        nothing_left(tmp_path),
        locked(*reads),
        locked(*reads),
        pytest.raises(Unavailable, match=words),
        locked(lock, 0.0),
    ):
        pass
    assert holder(lock) == ""
    with locked(tmp_path / "none", 0.0, shared=True):
        assert not (tmp_path / "none").exists(), "who only reads makes nothing"


@pytest.mark.parametrize(
    "changes",
    [
        Changes(links={"other/a": "x"}),
        Changes(unlinked=("other/a",)),
        Changes(removed=("other/a",)),
        Changes(files={"other/a": b""}),
        Changes(trees=(PublishTree(Path("/x"), "other/a"),)),
        Changes(files={"vipers/a": b""}),
    ],
)
def test_nothing_is_published_outside_of_the_lease(changes: Changes) -> None:
    """Without it, a gateway drops it without a word, and the names lead nowhere."""
    with pytest.raises(SettingsError, match=r"(other/a|vipers/a) is not below the leased path vip"):
        check_lease("x", "vip", LAYOUT, changes)
    check_lease("x", "", LAYOUT, changes)
    with pytest.raises(SettingsError, match="vip/containers is not below the leased path elsewhere"):
        check_lease("x", "elsewhere", LAYOUT, Changes())
    check_lease("x", "vip", LAYOUT, Changes(files={"vip/a": b"", "vip": b""}))


def test_what_cannot_be_read_where_it_was_published_is_found(tmp_path: Path) -> None:
    changes = Changes(files={"a": b"1", "b": b"2"})
    assert missing(tmp_path, changes) == "a"
    (tmp_path / "a").write_bytes(b"1")
    assert missing(tmp_path, changes) == "b"
    (tmp_path / "b").write_bytes(b"1")
    assert missing(tmp_path, changes) == "b"
    (tmp_path / "b").write_bytes(b"2")
    assert missing(tmp_path, changes) == ""


def test_changes_for_an_index_that_was_never_there_are_for_anything(tmp_path: Path) -> None:
    compare("x", tmp_path, LAYOUT, Changes())
    compare("x", tmp_path, LAYOUT, Changes(base=""))
    with pytest.raises(Unavailable, match="somebody else has published meanwhile"):
        compare("x", tmp_path, LAYOUT, Changes(base="1"))
