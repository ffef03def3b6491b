"""Files of this machine keep the promises of every storage."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from engine.domain.file_urls import names_of, to_path, to_url
from engine.errors import BadRequest
from engine.ports import Storage
from engine.storages.file import FileStorage
from engine.testing.contracts.storage import StorageContract


class TestFile(StorageContract):
    @pytest.fixture
    def storage(self) -> Storage:
        return FileStorage()

    @pytest.fixture
    def base(self, tmp_path: Path) -> str:
        (tmp_path / "base").mkdir()
        return to_url(tmp_path / "base")

    def below(self, base: str, *names: str) -> str:
        return "/".join([base, *(quote(name, safe="") for name in names)])

    def test_a_read_only_directory_is_removed_too(self, storage: Storage, base: str) -> None:
        storage.put(b"x", self.below(base, "dir", "sub", "x"))
        to_path(self.below(base, "dir", "sub")).chmod(0o500)
        to_path(self.below(base, "dir")).chmod(0o500)
        storage.delete(self.below(base, "dir"))
        assert storage.stat(self.below(base, "dir")) is None


@pytest.mark.parametrize("url", ["file://elsewhere/x", "http://x/y", "relative", "file:relative", ""])
def test_what_is_no_file_of_this_machine_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="not a file of this machine"):
        to_path(url)


@pytest.mark.parametrize(
    "path", ["/", "/a/b", "/a//b/", "/a/./b/.", "/a/../b", "//a", "/a%2Fb", "/a%20b%C3%A9", "/a;b/c%3Fd"]
)
def test_the_names_in_a_url_are_those_of_its_path(path: str) -> None:
    assert names_of(f"file://{path}") == to_path(f"file://{path}").parts[1:]


def test_names_are_on_the_disk_once_they_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}"))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    storage = FileStorage()
    (tmp_path / "made").write_text("x")
    storage.move(to_url(tmp_path / "made"), to_url(tmp_path / "a/b/one"))
    storage.flush([to_url(tmp_path / "a/b/one")])
    assert {str(tmp_path / "a/b"), str(tmp_path / "a"), str(tmp_path)} <= set(synced)
    storage.put(b"text", to_url(tmp_path / "a/b/record"))
    assert str(tmp_path / "a/b/record") not in synced
    storage.flush([to_url(tmp_path / "a/b/record")])
    assert str(tmp_path / "a/b/record") in synced
    synced.clear()
    storage.flush([to_url(tmp_path / f"a/b/{n}") for n in range(100)])
    assert synced == [str(tmp_path / "a/b")]


def test_a_file_where_a_directory_is_needed_is_a_refusal_and_not_an_outage(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("x")
    (tmp_path / "taken").write_text("y")
    with pytest.raises(BadRequest, match="a file lies where a directory is needed"):
        FileStorage().move(to_url(tmp_path / "made"), to_url(tmp_path / "taken/one"))
