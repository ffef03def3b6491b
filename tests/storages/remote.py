"""What a storage on another machine promises besides: bad lines and wrong credentials end well."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.clock import SystemClock
from engine.errors import Unavailable
from engine.ids import new_id
from engine.ports import Storage
from engine.storages.credentials import CredentialFile, Kind
from engine.testing.contracts import StorageContract
from tests.services.lines import Line, line_to, nobody_answers
from tests.services.registry import free_port

BIG = 4 << 20
XROOTD_NAMES = (
    *(n for n in StorageContract.ODD_NAMES if "\n" not in n and "?" not in n and len(n) < 255),
    "x" * 254,
)
"""XRootD 5 cuts names in listings: at a line break, at a question mark, and after 254 bytes."""


class RemoteContract(StorageContract):
    """The contract, and bad lines. `base` is a new directory below `server`."""

    @abstractmethod
    @pytest.fixture
    def server(self) -> str:
        """URL of what the server has."""

    @abstractmethod
    @pytest.fixture
    def make(self) -> Callable[[str], Storage]:
        """A storage for a URL like `server`, that is patient for a second or two."""

    @pytest.fixture
    def storage(self, make: Callable[[str], Storage], server: str) -> Storage:
        return make(server)

    @pytest.fixture
    def base(self, server: str) -> str:
        return f"{server}/{new_id()}"

    @pytest.fixture
    def line(self, server: str) -> Iterator[Line]:
        with line_to(urlsplit(server).port or 0) as line:
            yield line

    def at(self, url: str, port: int) -> str:
        """The same URL at another port."""
        return url.replace(f":{urlsplit(url).port}", f":{port}", 1)

    def test_a_server_that_is_not_there_is_unavailable(
        self, make: Callable[[str], Storage], base: str, tmp_path: Path
    ) -> None:
        self.check_unavailable(make, self.at(base, free_port()), tmp_path)

    def test_a_server_that_never_answers_is_unavailable(
        self, make: Callable[[str], Storage], base: str, tmp_path: Path
    ) -> None:
        with nobody_answers() as port:
            self.check_unavailable(make, self.at(base, port), tmp_path)

    def check_unavailable(self, make: Callable[[str], Storage], base: str, tmp_path: Path) -> None:
        storage = make(base)
        with pytest.raises(Unavailable):
            storage.stat(self.below(base, "a"))
        with pytest.raises(Unavailable):
            storage.put(b"x", self.below(base, "a"))
        with pytest.raises(Unavailable):
            storage.get(self.below(base, "a"), tmp_path / "a")
        assert list(tmp_path.iterdir()) == []

    def test_a_download_that_is_cut_leaves_nothing(
        self, make: Callable[[str], Storage], server: str, base: str, line: Line, tmp_path: Path
    ) -> None:
        make(server).put(b"x" * BIG, self.below(base, "a"))
        storage = make(self.at(server, line.port))
        url = self.below(self.at(base, line.port), "a")
        line.cut_after(BIG // 4)
        with pytest.raises(Unavailable):
            storage.get(url, tmp_path / "a")
        assert list(tmp_path.iterdir()) == []
        line.mend()
        storage.get(url, tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == b"x" * BIG

    def test_an_upload_that_is_cut_leaves_what_was_there(
        self, make: Callable[[str], Storage], server: str, base: str, line: Line, tmp_path: Path
    ) -> None:
        make(server).put(b"old", self.below(base, "a"))
        storage = make(self.at(server, line.port))
        url = self.below(self.at(base, line.port), "a")
        (tmp_path / "new").write_bytes(b"y" * BIG)
        line.cut_after(BIG // 4)
        with pytest.raises(Unavailable):
            storage.send(tmp_path / "new", url)
        assert (tmp_path / "new").exists()
        line.mend()
        assert storage.read(url) == b"old"
        storage.send(tmp_path / "new", url)
        assert make(server).read(self.below(base, "a")) == b"y" * BIG


def credential(directory: Path, kind: Kind, text: str) -> CredentialFile:
    """A credential in a file of its own."""
    file = directory / f"{kind}-{new_id()}"
    file.touch(0o600)
    file.write_text(text)
    return CredentialFile("test", kind, file, SystemClock())
