"""Checksums, several at once while the bytes go by."""

import hashlib
import zlib
from typing import Any, Dict, Iterable

CHUNK = 1 << 20
ALGORITHMS = ("adler32", "md5", "sha256")


class Hasher:
    """Computes checksums of a stream, and counts its bytes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        """Raises:
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
