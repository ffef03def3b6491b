"""Checksums of stored files: computed while they come in, kept with the file, told as RFC 3230 wants it."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress

from wrappers.transfer.checksums import CHUNK, Hasher

_NAMES = {"adler32": "adler32", "md5": "md5", "sha-256": "sha256", "sha256": "sha256"}
_ON_THE_WIRE = {"adler32": "adler32", "md5": "md5", "sha256": "sha-256"}
_MANY = 10_000


class Digests:
    """The checksums of files, kept in extended attributes, or in memory where the file system has none.

    With each goes the size and time of what it was computed of: a file that was changed is read again.
    """

    def __init__(self) -> None:
        self._memory: dict[tuple[int, int, str], str] = {}

    def store(self, file: int, results: Mapping[str, str]) -> None:
        """Remember checksums of an open file, algorithm -> hexadecimal."""
        found = os.fstat(file)
        for algorithm, value in results.items():
            text = f"{_mark(found)}:{value}"
            try:
                os.setxattr(file, _attribute(algorithm), text.encode("ascii"))
            except OSError:  # no such thing there, or no room for it
                if len(self._memory) >= _MANY:
                    self._memory.clear()
                self._memory[found.st_dev, found.st_ino, algorithm] = text

    def of(self, file: int, algorithm: str) -> str:
        """Return the checksum of an open file, hexadecimal; read the file when it is not known."""
        found = os.fstat(file)
        text = self._memory.get((found.st_dev, found.st_ino, algorithm), "")
        with suppress(OSError):
            text = os.getxattr(file, _attribute(algorithm)).decode("ascii")
        mark, _, value = text.rpartition(":")
        if mark == _mark(found):
            return value
        hashed, at = Hasher((algorithm,)), 0
        while piece := os.pread(file, CHUNK, at):
            hashed.update(piece)
            at += len(piece)
        self.store(file, hashed.results())
        return hashed.results()[algorithm]


def requested_algorithm(header: str) -> str | None:
    """Choose the algorithm that `Want-Digest` asks for and we have; the first of those that it likes best."""
    best: tuple[float, str] | None = None
    for item in header.split(","):
        name, _, options = item.partition(";")
        algorithm = _NAMES.get(name.strip().lower())
        try:
            weight = float(options.partition("=")[2]) if options else 1.0
        except ValueError:
            continue
        if algorithm and weight > 0 and (best is None or weight > best[0]):
            best = (weight, algorithm)
    return best[1] if best else None


def header_value(algorithm: str, value: str) -> str:
    """Render the value of a `Digest` header: adler32 in hexadecimal, the others in base64, as RFC 3230 has
    it.
    """
    text = value if algorithm == "adler32" else b64encode(bytes.fromhex(value)).decode("ascii")
    return f"{_ON_THE_WIRE[algorithm]}={text}"


def _mark(found: os.stat_result) -> str:
    return f"{found.st_size}:{found.st_mtime_ns}"


def _attribute(algorithm: str) -> str:
    return f"user.grid-engine.{algorithm}"
