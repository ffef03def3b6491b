"""What a storage on another machine promises besides: bad lines and wrong credentials end well."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.clock import SystemClock
from engine.errors import BadRequest, Unavailable
from engine.ids import new_id
from engine.ports import CredentialKind, Storage
from engine.storages.credentials import CredentialFile
from engine.testing.contracts.storage import StorageContract
from tests.services.lines import Line, line_to, nobody_answers
from tests.services.registry import free_port

BIG = 4 << 20
PATIENT = 60.0
"""Seconds of silence that mean nothing: servers are slow when the machine is busy."""
Make = Callable[[int, float], Storage]
"""Makes a storage that looks for its server at a port, and is patient for so many seconds."""
XROOTD_NAMES = (
    *(n for n in StorageContract.ODD_NAMES if "\n" not in n and "?" not in n and len(n) < 255),
    "x" * 254,
)
"""XRootD 5 cuts names in listings: at a line break, at a question mark, and after 254 bytes."""


class RemoteContract(StorageContract):
    """The contract, and bad lines. `base` is a new directory below `server`."""

    QUICK = 1.0
    """Seconds of patience with a server that never answers."""
    FAR = PATIENT
    """Seconds of patience with a line that is cut."""

    @abstractmethod
    @pytest.fixture
    def server(self) -> str:
        """URL of what the server has."""

    @abstractmethod
    @pytest.fixture
    def port(self) -> int:
        """Where the server listens."""

    @abstractmethod
    @pytest.fixture
    def make(self) -> Make:
        """How storages are made."""

    @pytest.fixture
    def storage(self, make: Make, port: int) -> Storage:
        return make(port, PATIENT)

    @pytest.fixture
    def base(self, server: str) -> str:
        return f"{server}/{new_id()}"

    @pytest.fixture
    def line(self, port: int) -> Iterator[Line]:
        with line_to(port) as line:
            yield line

    def at(self, url: str, port: int) -> str:
        """The same URL at another port, if ports are part of URLs."""
        before = urlsplit(url).port
        return url.replace(f":{before}", f":{port}", 1) if before else url

    def test_a_server_that_is_not_there_is_unavailable(self, make: Make, base: str, tmp_path: Path) -> None:
        self.check_unavailable(make, base, free_port(), tmp_path)

    def test_a_server_that_never_answers_is_unavailable(self, make: Make, base: str, tmp_path: Path) -> None:
        with nobody_answers() as port:
            self.check_unavailable(make, base, port, tmp_path)

    def check_unavailable(self, make: Make, base: str, port: int, tmp_path: Path) -> None:
        storage, url = make(port, self.QUICK), self.below(self.at(base, port), "a")
        (tmp_path / "into").mkdir()
        with pytest.raises(Unavailable):
            storage.stat(url)
        with pytest.raises(Unavailable):
            storage.put(b"x", url)
        with pytest.raises(Unavailable):
            storage.get(url, tmp_path / "into/a")
        assert list((tmp_path / "into").iterdir()) == []

    def test_a_download_that_is_cut_leaves_nothing(
        self, make: Make, storage: Storage, base: str, line: Line, tmp_path: Path
    ) -> None:
        storage.put(b"x" * BIG, self.below(base, "a"))
        far = make(line.port, self.FAR)
        url = self.below(self.at(base, line.port), "a")
        (tmp_path / "into").mkdir()
        line.cut_after(BIG // 4)
        with pytest.raises(Unavailable):
            far.get(url, tmp_path / "into/a")
        assert list((tmp_path / "into").iterdir()) == []
        line.mend()
        far.get(url, tmp_path / "into/a")
        assert (tmp_path / "into/a").read_bytes() == b"x" * BIG

    def test_an_upload_that_is_cut_leaves_what_was_there(
        self, make: Make, storage: Storage, base: str, line: Line, tmp_path: Path
    ) -> None:
        storage.put(b"old", self.below(base, "a"))
        far = make(line.port, self.FAR)
        url = self.below(self.at(base, line.port), "a")
        (tmp_path / "new").write_bytes(b"y" * BIG)
        line.cut_after(BIG // 4)
        with pytest.raises(Unavailable):
            far.send(tmp_path / "new", url)
        assert (tmp_path / "new").exists()
        line.mend()
        assert far.read(url) == b"old"
        far.send(tmp_path / "new", url)
        assert storage.read(self.below(base, "a")) == b"y" * BIG

    def test_a_file_that_grows_while_it_is_sent_is_refused(
        self, storage: Storage, base: str, tmp_path: Path
    ) -> None:
        path, url = tmp_path / "log", self.below(base, "a")
        path.write_bytes(b"x" * BIG)

        def grow(_size: int) -> None:
            with path.open("ab") as file:
                file.write(b"y")

        with pytest.raises(BadRequest, match="has changed"):
            storage.send(path, url, grow)
        assert storage.stat(url) is None
        assert path.exists()


def credential(directory: Path, kind: CredentialKind, text: str) -> CredentialFile:
    """A credential in a file of its own."""
    file = directory / f"{kind}-{new_id()}"
    file.touch(0o600)
    file.write_text(text)
    return CredentialFile("test", kind, file, SystemClock())


def port_of(url: str) -> int:
    """The port in a URL."""
    port = urlsplit(url).port
    assert port
    return port
