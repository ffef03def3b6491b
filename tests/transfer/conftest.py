"""Storages with faults on order, and hands that move files to and from them."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.leftovers import SERVERS, nothing_left
from tests.services.faulty_storage import FaultyStorage, faulty_storage
from wrappers import wire
from wrappers.transfer.moving import Fetched, Mover, Stored
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.rounds import Pace
from wrappers.transfer.source import FileSource

DATA = random.Random(4).randbytes(3_000_000)
STALL = 0.5
PATIENCE = 30.0
"""Seconds of silence where none is tried: a machine with other work is slow to answer."""


def sums(data: bytes) -> dict[str, str]:
    """All the checksums that we know."""
    return {
        "adler32": f"{zlib.adler32(data):08x}",
        "md5": hashlib.md5(data).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def quick_mover(stall: float = STALL, **given: str) -> Mover:
    """A mover with short pauses."""
    return Mover(wire.Transfers(stall=stall, budget=60 + 2 * stall), pace=Pace(rounds=3, base=0.01), **given)


class LateSource(FileSource):
    """A file of which something happens before the first piece is sent."""

    def __init__(self, path: Path, late: Callable[[], None]) -> None:
        super().__init__(str(path))
        self._late = late

    def pieces(self) -> Iterator[Any]:
        for piece in super().pieces():
            if not self.sent:
                self._late()
            yield piece


@dataclass
class Hands:
    """A mover that is quick to lose its patience, and the tries that it noted."""

    mover: Mover
    directory: Path
    stall: float = STALL
    tried: list[wire.Tried] = field(default_factory=list)

    @property
    def target(self) -> Path:
        """Where `fetch` puts the file."""
        return self.directory / "target"

    def fetch(self, *urls: str, expected: Expected = Expected()) -> Fetched:  # noqa: B008 - immutable
        """Fetch a file."""
        with Part(str(self.target), expected) as part:
            return self.mover.fetch(urls, part, self.tried)

    def store(self, data: bytes, *urls: str) -> Stored:
        """Store a file."""
        return self.mover.store(urls, self.source(data), self.tried)

    def source(self, data: bytes) -> FileSource:
        """A file to store."""
        source = self.directory / "source"
        source.write_bytes(data)
        return FileSource(str(source))

    def exchange_at(self, point: str, claim: str) -> None:
        """Exchange a claim at a node end point from now on; one that is slow is not asked twice."""
        self.stall = PATIENCE
        self.mover.stop()
        self.mover = quick_mover(self.stall, exchange=point, claim=claim)

    def wait_for(self, stall: float) -> None:
        """Be so patient with silence from now on: real servers are slow when the machine is busy."""
        self.stall = stall
        self.mover.stop()
        self.mover = quick_mover(stall)

    def errors(self) -> Sequence[str]:
        """What went wrong, in order."""
        return [one.error for one in self.tried if one.error]


@pytest.fixture
def storage() -> Iterator[FaultyStorage]:
    """A storage that holds /data, until told otherwise."""
    with faulty_storage() as running:
        running.files["/data"] = DATA
        yield running


@pytest.fixture
def other() -> Iterator[FaultyStorage]:
    """Another one, with the same file."""
    with faulty_storage() as running:
        running.files["/data"] = DATA
        yield running


@pytest.fixture
def hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    """A mover with short pauses, and no credentials of this machine."""
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "X509_USER_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with nothing_left(tmp_path, SERVERS):  # whatever went wrong
        hands = Hands(quick_mover(), tmp_path)
        yield hands
        hands.mover.stop()
