"""A file while it arrives: hashed as it is written, resumed where that is safe, whole only when verified."""

import os
from typing import Dict, NamedTuple, Optional

from wrappers.transfer.checksums import BackgroundHasher
from wrappers.transfer.errors import Transient


class Expected(NamedTuple):
    """The expected size and checksums of a file, as far as they are known."""

    size: Optional[int] = None
    sums: Dict[str, str] = {}  # algorithm -> hexadecimal


class Part:
    """The file at `path`, which is ours. Use as a context manager; afterwards it is closed, not removed."""

    def __init__(self, path: str, expected: Expected) -> None:
        """Make the file.

        Raises:
        OSError: the file cannot be made.
        """
        self.expected = expected
        self.total: Optional[int] = None  # bytes of the whole, as the storage said last
        self.received = 0  # bytes that came over, those of given up tries too
        self.path = path
        # Without a checksum to compare with, the storage is asked for its own.
        self._algorithms = {"sha256", *expected.sums} if expected.sums else {"sha256", "adler32"}
        self._hasher = BackgroundHasher(self._algorithms)
        self._origin = ("", "")  # URL and version to which the bytes so far belong
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self._hasher.results()
        os.close(self._file)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._hasher.size

    def may_resume(self, url: str) -> bool:
        """Say whether what is here can be the beginning of what lies at `url`.

        With a checksum to compare with in the end, any replica may go on where another was cut.
        """
        return self.size > 0 and (bool(self.expected.sums) or url == self._origin[0])

    def begin(self, url: str, version: str, offset: int) -> bool:
        """Begin a version of `url` from `offset` on: the start, or where we are.

        False when it cannot be joined to what came before.
        """
        joined = self.may_resume(url) and (bool(self.expected.sums) or version == self._origin[1])
        if offset == 0:
            self.restart()
        elif offset != self.size or not joined:
            return False
        self._origin = (url, version)
        return True

    def restart(self) -> None:
        """Forget what came so far."""
        if self.size:
            self._hasher.results()
            self._hasher = BackgroundHasher(self._algorithms)
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)

    def write(self, piece: memoryview) -> None:
        """Take the next bytes; they must stay as they are for the next `checksums.IN_USE` writes.

        Raises:
            OSError: the disk is full.
        """
        self._hasher.update(piece)  # type: ignore[arg-type]  # any buffer will do
        self.received += len(piece)
        while piece:
            piece = piece[os.write(self._file, piece) :]

    def verify(self, url: str, reported: Optional[Dict[str, str]] = None) -> Dict[str, str]:
        """Return the checksums of a file that came over whole, after comparing them with what is expected,
        and with those that the storage `reported`. When they differ, the next try begins anew.

        Raises:
            Transient: it is not the file that was expected.
        """
        sums = self._hasher.results()
        size = self.expected.size
        wrong = ""
        if size is not None and self.size != size:
            wrong = f"{self.size} bytes came, but {size} are expected"
        for origin, wanted in (("", self.expected.sums), ("the storage's own ", reported or {})):
            for algorithm, value in wanted.items():
                if not wrong and sums.get(algorithm, value) != value.lower():
                    wrong = f"its {algorithm} is {sums[algorithm]}, not {origin}{value}"
        if wrong:
            self.restart()
            raise Transient(f"{url}: {wrong}")
        return sums
