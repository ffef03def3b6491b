"""Files of this machine keep the promises of every storage."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from engine.errors import BadRequest
from engine.ports import Storage
from engine.storages.file import FileStorage, to_path, to_url
from engine.testing.contracts import StorageContract


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
