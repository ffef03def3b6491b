"""What storages share on this machine's side: whole files or none, streams, progress."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from engine.ids import new_id
from engine.ports import Progress, Storage, entries, url_below
from wrappers.transfer.checksums import CHUNK, Hasher
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.source import FileSource, Source


@contextmanager
def arriving(into: Path) -> Iterator[Path]:
    """Give a name beside `into` to write to, which becomes it at the end; after an error nothing is left."""
    into.parent.mkdir(parents=True, exist_ok=True)
    part = into.with_name(part_name())
    try:
        yield part
        os.replace(part, into)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_name() -> str:
    """Make a name for a file that is not whole yet; short, so that its final name may have all 255 bytes."""
    return f".{new_id()}.part"


class WatchedPart(Part):
    """A file that arrives, and tells of its pieces."""

    def __init__(self, path: Path, expected: Expected, progress: Progress | None) -> None:
        super().__init__(str(path), expected)
        self._progress = progress

    def write(self, piece: memoryview) -> None:
        """Take the next bytes."""
        size = len(piece)
        super().write(piece)
        if self._progress:
            self._progress(size)


class WatchedSource(FileSource):
    """A file that is sent, and tells of its pieces."""

    def __init__(self, path: Path, progress: Progress | None, algorithms: Iterable[str]) -> None:
        super().__init__(str(path), algorithms)
        self._progress = progress

    def pieces(self) -> Iterator[Any]:
        """Yield the bytes, from the start."""
        for piece in super().pieces():
            yield piece
            if self._progress:
                self._progress(len(piece))


class BytesSource(Source):
    """Bytes to send."""

    def __init__(self, data: bytes, algorithms: Iterable[str]) -> None:
        super().__init__(len(data), algorithms)
        self._data = data

    def _read(self) -> Iterator[Any]:
        if self._data:
            yield memoryview(self._data)


def blocks(pieces: Iterable[Any], size: int) -> Iterator[bytes]:
    """Yield the same bytes in blocks of at least this size, but for the last; none when there are none."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


class PieceReader(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces: Iterator[memoryview]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def stream(pieces: Iterator[memoryview]) -> BinaryIO:
    """Pieces of bytes as a buffered stream."""
    return cast(BinaryIO, io.BufferedReader(PieceReader(pieces), CHUNK))


def get_directory(storage: Storage, url: str, into: Path, progress: Progress | None) -> None:
    """Bring a directory with all it holds, file by file."""
    into.mkdir(parents=True, exist_ok=True)
    for name, stat in entries(storage, url).items():
        if stat.directory:
            get_directory(storage, url_below(storage, url, name), into / name, progress)
        else:
            storage.get(url_below(storage, url, name), into / name, progress)


def copy(source: BinaryIO, into: Path, progress: Progress | None) -> int:
    """Write a stream to a file; its bytes."""
    size = 0
    with into.open("wb") as file:
        while piece := source.read(CHUNK):
            file.write(piece)
            size += len(piece)
            if progress:
                progress(len(piece))
    return size


def skip(file: BinaryIO, size: int) -> None:
    """Leave out the next bytes of a stream."""
    while size > 0 and (piece := file.read(min(size, CHUNK))):
        size -= len(piece)


def checksum_of(file: BinaryIO, algorithm: str) -> str:
    """Compute the checksum of what is left of a stream."""
    hasher = Hasher([algorithm])
    while piece := file.read(CHUNK):
        hasher.update(piece)
    return hasher.results()[algorithm]
