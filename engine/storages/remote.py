"""What storages on other machines have in common: whole files or none, there and here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, ClassVar
from urllib.parse import urlsplit

from engine.errors import BadRequest, NotFound, Unavailable
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files
from engine.storages.failures import engine_errors
from wrappers.transfer.redact import redact
from wrappers.transfer.source import Source
from wrappers.wire import Grant


class RemoteFiles(ABC):
    """The parts of `engine.ports.Storage` that are alike wherever one file can be read."""

    capabilities: StorageCapabilities

    @abstractmethod
    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""

    @abstractmethod
    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""

    @abstractmethod
    def move(self, source: str, target: str) -> None:
        """Rename."""

    @abstractmethod
    def delete(self, url: str) -> None:
        """Remove a file or a directory with all it holds."""

    @abstractmethod
    def put(self, data: bytes, url: str) -> None:
        """Write a small file."""

    @abstractmethod
    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Bring a file there."""

    @abstractmethod
    def open(self, url: str) -> AbstractContextManager[BinaryIO]:
        """Open a file as a stream."""

    def list(self, url: str) -> Sequence[str]:
        """Names directly under a directory."""
        return sorted(self.entries(url))

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file; what is before it is passed over."""
        found = self.stat(url)
        if found is None or found.directory or offset >= found.size:
            return b""
        with self.open(url) as file:
            files.skip(file, offset)
            return file.read(found.size if length is None else length)

    def get(self, url: str, into: Path, progress: Progress | None = None) -> None:
        """Bring a file or directory to this machine."""
        found = self.stat(url)
        if found is None:
            raise NotFound(f"nothing at {redact(url)}")
        if found.directory:
            files.get_directory(self, url, into, progress)
            return
        with engine_errors(url), self._engine_errors(url), files.arriving(into) as part:
            self._fetch(url, found, part, progress)

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Compute the checksum of what is read back."""
        with self.open(url) as file:
            return files.checksum_of(file, algorithm)

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """There is no such thing."""
        raise BadRequest(f"{redact(url)}: {urlsplit(url).scheme} cannot presign")

    def _fetch(self, url: str, found: Stat, part: Path, progress: Progress | None) -> None:
        """Bring one file, verified."""
        with self.open(url) as source:
            size = files.copy(source, part, progress)
        if size != found.size:
            raise Unavailable(f"{redact(url)}: {size} of {found.size} bytes came")

    def _engine_errors(self, url: str) -> AbstractContextManager[None]:
        """Translate failures of its library into the engine's."""
        return nullcontext()


class RemoteStorage(RemoteFiles):
    """Most of `engine.ports.Storage`: a subclass says how to look, and how one file goes there."""

    _sums: ClassVar[Sequence[str]] = ("sha256", "adler32")
    """Checksums that are computed while a file is sent, to be compared with the storage's own."""

    @abstractmethod
    def _store(self, source: Source, url: str) -> None:
        """Have this file there, atomically and verified."""

    def put(self, data: bytes, url: str) -> None:
        """Write a small file."""
        with engine_errors(url), self._engine_errors(url):
            self._store(files.BytesSource(data, self._sums), url)

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Bring a file there."""
        with engine_errors(url), self._engine_errors(url):
            self._store(files.WatchedSource(source, progress, self._sums), url)
            if not keep:
                source.unlink(missing_ok=True)
