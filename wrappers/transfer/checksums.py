"""Checksums, several at once while the bytes go by."""

import hashlib
import queue
import threading
import zlib
from typing import Any, Dict, Iterable, Optional

CHUNK = 1 << 20
ALGORITHMS = ("adler32", "md5", "sha256")


class Hasher:
    """Computes checksums of a stream, and counts its bytes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        """Take the algorithms.

        Raises:
        ValueError: an algorithm is not one of ALGORITHMS.
        """
        self._hashes: Dict[str, Any] = {name: _new(name) for name in algorithms}
        self.size = 0

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        self.size += len(piece)
        for hashed in self._hashes.values():
            hashed.update(piece)

    def results(self) -> Dict[str, str]:
        """Algorithm -> hexadecimal, of all that was taken so far."""
        return {name: hashed.hexdigest() for name, hashed in self._hashes.items()}


AHEAD = 4  # pieces that may wait for the thread of a BackgroundHasher
IN_USE = AHEAD + 2  # pieces that it may still look at: the caller reuses a buffer only after so many others
_WORTH_A_THREAD = 8 << 20  # bytes


class BackgroundHasher(Hasher):
    """Computes checksums in a thread of its own once there is much to do: hashlib and zlib let others run.

    What is given to `update` must stay as it is for the next `IN_USE` updates. Use as a context manager.
    """

    def __init__(self, algorithms: Iterable[str]) -> None:
        super().__init__(algorithms)
        self._pieces: "queue.Queue[Optional[bytes]]" = queue.Queue(AHEAD)
        self._thread: Optional[threading.Thread] = None

    def __enter__(self) -> "BackgroundHasher":
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for_all()

    def update(self, piece: bytes) -> None:
        """Take the next piece."""
        if not self._hashes or (self._thread is None and self.size < _WORTH_A_THREAD):
            super().update(piece)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self.size += len(piece)
        self._pieces.put(piece)

    def results(self) -> Dict[str, str]:
        """Algorithm -> hexadecimal, of all that was taken so far."""
        self._wait_for_all()
        return super().results()

    def _wait_for_all(self) -> None:
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        for piece in iter(self._pieces.get, None):
            for hashed in self._hashes.values():
                hashed.update(piece)


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, piece: bytes) -> None:
        self._value = zlib.adler32(piece, self._value)

    def hexdigest(self) -> str:
        return f"{self._value & 0xFFFFFFFF:08x}"


def _new(algorithm: str) -> Any:
    if algorithm == "adler32":
        return _Adler32()
    if algorithm in ALGORITHMS:
        return hashlib.new(algorithm)
    raise ValueError(f"{algorithm} is not a checksum that is known here: {', '.join(ALGORITHMS)}")
