"""A file of a storage, read piece by piece: whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from engine.api.trees.remote_file import RemoteFile
from engine.domain.file_urls import to_url
from engine.errors import Unavailable
from engine.ids import new_id
from engine.ports import Storage
from engine.storages.file import FileStorage
from engine.storages.http import HttpStorage
from tests.services.lines import line_to
from tests.services.nginx import Nginx
from tests.storages.remote import port_of

pytestmark = pytest.mark.whole

PIECE = 1 << 20
CONTENT = os.urandom(10 * PIECE + 17)


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return to_url(tmp_path / "a.bin")


def opened(storage: Storage, url: str) -> RemoteFile:
    found = storage.stat(url)
    assert found is not None
    return RemoteFile(storage, url, found)


def read_all(file: RemoteFile, at: int = 0) -> bytes:
    whole = bytearray()
    while piece := file.read(at + len(whole), PIECE):
        whole += piece
    return bytes(whole)


@pytest.mark.parametrize("start", [0, 1, PIECE, 5 * PIECE + 3, len(CONTENT) - 1, len(CONTENT)])
def test_it_is_read_from_anywhere_to_its_end(url: str, start: int) -> None:
    with closing(opened(FileStorage(), url)) as file:
        assert read_all(file, start) == CONTENT[start:]


def test_a_file_that_was_replaced_is_not_mixed_with_the_new_one(url: str, tmp_path: Path) -> None:
    with closing(opened(FileStorage(), url)) as file:
        file.read(PIECE, 100)
        (tmp_path / "a.bin").write_bytes(CONTENT[:-1] + b"??")
        with pytest.raises(OSError, match="Stale"):
            read_all(file, 3 * PIECE)


@pytest.mark.service
def test_what_is_left_of_a_stream_that_breaks_is_asked_for_anew(nginx: Nginx) -> None:
    name = new_id()
    (nginx.files / name).write_bytes(CONTENT)
    with line_to(port_of(nginx.url)) as line:
        storage = HttpStorage()
        with closing(opened(storage, f"http://127.0.0.1:{line.port}/{name}")) as file:
            first = file.read(0, PIECE)
            line.cut_once_after(2 * PIECE)
            assert first + read_all(file, PIECE) == CONTENT


@pytest.mark.service
def test_a_storage_that_is_gone_in_the_middle_is_unavailable(nginx: Nginx) -> None:
    name = new_id()
    (nginx.files / name).write_bytes(CONTENT)
    with line_to(port_of(nginx.url)) as line:
        storage = HttpStorage()
        with closing(opened(storage, f"http://127.0.0.1:{line.port}/{name}")) as file:
            file.read(0, PIECE)
            line.cut_after(0)
            with pytest.raises(Unavailable):
                read_all(file, PIECE)
