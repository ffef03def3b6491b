"""Files and directories of this machine are brought to a storage, each content once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.app.data.uploads import ResultUploader, size_of
from engine.domain.file_urls import to_path, to_url
from engine.errors import BadRequest
from engine.settings.tree import Settings
from engine.storages.file import FileStorage
from engine.store.sources import ExecutionSource
from wrappers.transfer.tree import unpack


@pytest.fixture
def uploader(tmp_path: Path) -> ResultUploader:
    place = to_url(tmp_path / "storage")
    settings = Settings.model_validate({"storages": {"a": {"url": place}}, "data": {"staging": "a"}})
    return ResultUploader(settings, lambda _: FileStorage())


def directory(path: Path) -> Path:
    (path / "sub").mkdir(parents=True)
    (path / "sub/b").write_bytes(b"b")
    (path / "a").write_bytes(b"a")
    return path


def test_a_file_is_brought_with_its_checksums_and_kept(uploader: ResultUploader, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    [found] = uploader.upload_all([ExecutionSource(str(tmp_path / "file"), "")])
    assert to_path(found.url).read_bytes() == b"content"
    assert (found.size, found.checksums["adler32"]) == (7, "0bcb02fc")
    assert (tmp_path / "file").exists()


def test_two_directories_with_the_same_content_are_one_file_at_the_storage(
    uploader: ResultUploader, tmp_path: Path
) -> None:
    both = [ExecutionSource(str(directory(tmp_path / name)), "", packed=True) for name in ("one", "other")]
    os.utime(tmp_path / "other/a", (0, 0))
    first, second = uploader.upload_all(both)
    assert first.url == second.url
    assert to_path(first.url).stat().st_size == first.size
    unpacked = unpack(str(to_path(first.url)), str(tmp_path / "unpacked"))
    assert [name for name, _ in unpacked.sums] == ["a", "sub/b"]


def test_a_link_in_a_directory_brings_what_it_points_to(uploader: ResultUploader, tmp_path: Path) -> None:
    top = directory(tmp_path / "top")
    (top / "link").symlink_to(directory(tmp_path / "elsewhere"))
    [found] = uploader.upload_all([ExecutionSource(str(top), "", packed=True)])
    unpack(str(to_path(found.url)), str(tmp_path / "unpacked"))
    assert (tmp_path / "unpacked/link/sub/b").read_bytes() == b"b"


def test_of_a_directory_comes_what_has_content_and_links_within_stay_links(
    uploader: ResultUploader, tmp_path: Path
) -> None:
    top = directory(tmp_path / "top")
    os.mkfifo(top / "pipe")
    (top / "dangling").symlink_to("nowhere")
    (top / "sub/above").symlink_to("..")
    (top / "sub/a").symlink_to(top / "a")
    [found] = uploader.upload_all([ExecutionSource(str(top), "", packed=True)])
    assert size_of([ExecutionSource(str(top), "", packed=True)]) == found.size
    unpacked = tmp_path / "unpacked"
    assert [name for name, _ in unpack(str(to_path(found.url)), str(unpacked)).sums] == ["a", "sub/b"]
    assert sorted(os.listdir(unpacked)) == ["a", "sub"]
    assert sorted(os.listdir(unpacked / "sub")) == ["a", "b"]
    assert os.readlink(unpacked / "sub/a") == "../a"


def test_what_cannot_be_brought_is_refused_by_its_name(uploader: ResultUploader, tmp_path: Path) -> None:
    top = directory(tmp_path / "top")
    os.mkfifo(top / "pipe")
    with pytest.raises(BadRequest, match="top/pipe is neither a file nor a directory"):
        uploader.upload_all([ExecutionSource(str(top / "pipe"), "")])
    with pytest.raises(BadRequest, match="gone: No such file"):
        uploader.upload_all([ExecutionSource(str(tmp_path / "gone"), "")])
