"""lfn:, files under logical names at the storage elements of DIRAC, through a DIRAC client.

DIRAC renames nothing and replaces nothing: what an attempt wrote stays where it is. It keeps no empty files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from engine.dirac.client import DiracRefused, bridge
from engine.dirac.names import name_of
from engine.domain.urls import child
from engine.errors import BadRequest, NotFound
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files
from engine.storages.failures import engine_errors
from engine.storages.remote import RemoteFiles
from engine.storages.sections import UNCONFIGURED, StorageSettings

TRANSFER_TIMEOUT_S = 4 * 3600.0
"""Seconds for one file: DIRAC waits for a catalogue that is down for a quarter of an hour by itself."""


class LfnStorage(RemoteFiles):
    """`engine.ports.Storage` on DIRAC's catalogue."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED) -> None:
        self._settings = settings
        self.capabilities = StorageCapabilities(rename=False, checksums=("adler32",), labels=True)

    def stat(self, url: str) -> Stat | None:
        """Describe what the catalogue knows of it."""
        found = self._ask("stat", name=name_of(url))
        return _stat(found) if found else None

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""
        return {name: _stat(facts) for name, facts in self._ask("entries", name=name_of(url)).items()}

    def move(self, source: str, target: str) -> None:
        """DIRAC has no such thing."""
        if self.stat(source) is None:
            raise NotFound(f"nothing at {source}")
        raise BadRequest(f"{source}: lfn: knows no renaming")

    def delete(self, url: str) -> None:
        """Remove a file, or a directory with all it holds, from catalogue and storage elements."""
        found = self.stat(url)
        if found is None:
            return
        if not found.directory:
            self._ask("remove", names=[name_of(url)])
            return
        for name in self.list(url):
            self.delete(child(url, name))
        self._ask("remove_directories", names=[name_of(url)])

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Have files carry these words in the catalogue; for a directory they would be those of all below."""
        named = {name_of(url): dict(words) for url, words in labels.items()}
        for name, why in self._ask("label", labels=named).items():
            raise BadRequest(f"{name}: {why}")

    def put(self, data: bytes, url: str) -> None:
        """Write a small file; another one under this name is removed before."""
        with TemporaryDirectory(prefix="engine-") as scratch:
            path = Path(scratch, "file")
            path.write_bytes(data)
            self.send(path, url)

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Bring a file there; another one under this name is removed before."""
        with engine_errors(url), source.open("rb") as file:
            size, adler32 = source.stat().st_size, files.checksum_of(file, "adler32")
        there = self.stat(url)
        if there is not None and (there.size, there.checksums.get("adler32")) != (size, adler32):
            self.delete(url)
        grid = self._settings.dirac
        self._ask(
            "put",
            path=str(source.absolute()),
            name=name_of(url),
            adler32=adler32,
            elements=list(grid.elements if grid else ()),
            failover=list(grid.failover if grid else ()),
        )
        if progress:
            progress(size)
        if not keep:
            source.unlink(missing_ok=True)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open a file as a stream."""
        with TemporaryDirectory(prefix="engine-") as scratch:
            path = Path(scratch, "file")
            self._download(url, path)
            with path.open("rb") as file:
                yield file

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Return the catalogue's own checksum where it is an adler32, else that of what is read back."""
        found = self.stat(url)
        if found is None or found.directory:
            raise NotFound(f"no file at {url}")
        if algorithm in found.checksums:
            return found.checksums[algorithm]
        with self.open(url) as file:
            return files.checksum_of(file, algorithm)

    def _fetch(self, url: str, found: Stat, part: Path, progress: Progress | None) -> None:
        self._download(url, part)
        if progress:
            progress(part.stat().st_size)

    def _download(self, url: str, target: Path) -> None:
        """Have DIRAC bring a file, which it compares with the catalogue's checksum."""
        with TemporaryDirectory(prefix=".engine-", dir=target.parent) as scratch:
            shutil.move(self._ask("get", name=name_of(url), into=scratch), target)

    def _ask(self, verb: str, **arguments: Any) -> Any:
        grid = self._settings.dirac
        if grid is None:
            raise BadRequest(
                "lfn: no DIRAC client is configured", remedy="configure a back-end of kind dirac"
            )
        try:
            return bridge(grid.client).ask(verb, timeout=TRANSFER_TIMEOUT_S, **arguments)
        except DiracRefused as error:
            raise BadRequest(str(error)) from None


def _stat(facts: Mapping[str, Any]) -> Stat:
    checksums = {"adler32": facts["adler32"]} if facts["adler32"] else {}
    return Stat(facts["size"], facts["modified"], facts["directory"], None, checksums)
