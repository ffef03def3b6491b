"""What is sent to a storage: bytes that can be read again from their start, hashed the first time."""

import abc
import os
from typing import Any, Dict, Iterable, Iterator, Optional

from wrappers.transfer.checksums import IN_USE, BackgroundHasher
from wrappers.transfer.client import Body
from wrappers.transfer.errors import Permanent

_PIECE = 1 << 20


class Source(Body):
    """Anything to send. Subclasses say how it is read; `sums` is there once it was read to its end."""

    def __init__(self, size: int, algorithms: Iterable[str] = ("sha256", "adler32")) -> None:
        self.size = size
        self._algorithms = tuple(algorithms)
        self._sums: Optional[Dict[str, str]] = None
        self.sent = 0  # bytes given away so far, by all tries

    def pieces(self) -> Iterator[Any]:
        """Yield the bytes, from the start.

        Raises:
            OSError: it cannot be read.
            Permanent: it has another size than before.
        """
        with BackgroundHasher(self._algorithms if self._sums is None else ()) as hasher:
            for piece in self._checked():
                hasher.update(piece)
                yield piece
                self.sent += len(piece)
            if self._sums is None:
                self._sums = hasher.results()

    def sums(self) -> Dict[str, str]:
        """Algorithm -> hexadecimal; it is read for that when it was not sent yet.

        Raises:
            OSError: it cannot be read.
        """
        if self._sums is None:
            sent = self.sent
            for _ in self.pieces():
                pass
            self.sent = sent
        assert self._sums is not None  # noqa: S101 - set at the end of a full pass
        return self._sums

    def sum(self, algorithm: str) -> str:
        """One checksum; it is read once more when that was not foreseen.

        Raises:
            OSError: it cannot be read.
        """
        sums = self.sums()
        if algorithm not in sums:
            with BackgroundHasher([algorithm]) as hasher:
                for piece in self._checked():
                    hasher.update(piece)
                sums.update(hasher.results())
        return sums[algorithm]

    def _checked(self) -> Iterator[Any]:
        return self._exactly(self.size)

    def _exactly(self, wanted: int) -> Iterator[Any]:
        """Yield the last piece only when nothing follows it: so nobody has a part of a file that grew."""
        size, last = 0, None
        for piece in self._read():
            size += len(piece)
            if size > wanted:
                break
            if last is not None:
                yield last
            last = piece
        if size != wanted:
            raise Permanent(f"a file that had {wanted} bytes has changed while it was read")
        if last is not None:
            yield last

    @abc.abstractmethod
    def _read(self) -> Iterator[Any]:
        """Yield the bytes, as they are now."""


class FileSource(Source):
    """A file of this machine."""

    def __init__(self, path: str, algorithms: Iterable[str] = ("sha256", "adler32")) -> None:
        """Open the file.

        Raises:
        OSError: there is none.
        """
        super().__init__(os.stat(path).st_size, algorithms)
        self.path = path

    def _read(self) -> Iterator[Any]:
        buffers = [memoryview(bytearray(min(_PIECE, max(1, self.size))))]
        turn = 0
        with open(self.path, "rb", buffering=0) as file:
            while True:
                size = file.readinto(buffers[turn])
                if not size:
                    return
                yield buffers[turn][:size]
                turn = (turn + 1) % (IN_USE + 2)  # one waits for the next, in `_exactly`
                if turn == len(buffers):
                    buffers.append(memoryview(bytearray(len(buffers[0]))))
