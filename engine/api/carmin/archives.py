"""Archives that clients send: unpacked below one directory, and nowhere else.

Absolute names, `..`, links and devices are refused before anything is written; so is what is too much.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

from engine.app.access.paths import DEEPEST, LONGEST
from engine.app.access.tokens import Segments
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.names import is_text
from wrappers.containers.members import parts_of

MOST = 10_000
"""Entries of an archive."""
LARGEST = 1 << 30
"""Bytes of all that is in it."""
_PIECE = 1 << 20
_WORDS = 300


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A file or a directory of an archive."""

    path: Segments
    directory: bool
    size: int
    source: zipfile.ZipInfo | tarfile.TarInfo


@dataclass(frozen=True, slots=True)
class UploadedArchive:
    """An archive that was looked through, and is harmless."""

    entries: list[ArchiveMember]
    _opened: zipfile.ZipFile | tarfile.TarFile

    def open(self, entry: ArchiveMember) -> IO[bytes]:
        """Open the content of a file."""
        if isinstance(self._opened, zipfile.ZipFile) and isinstance(entry.source, zipfile.ZipInfo):
            return self._opened.open(entry.source)
        if isinstance(self._opened, tarfile.TarFile) and isinstance(entry.source, tarfile.TarInfo):
            found = self._opened.extractfile(entry.source)
            if found is not None:
                return found
        raise CarminError(Code.GENERIC, "an entry of the archive is no file")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def opened(data: bytes, levels: int) -> Iterator[UploadedArchive]:
    """Open a zip or tar archive that is to be unpacked in a directory of so many levels.

    Raises:
        Refused: it is none, or not harmless.
    """
    stream = io.BytesIO(data)
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(_read(stream, levels))
        except CarminError:
            raise
        except Exception as error:  # whatever damaged bytes make of the libraries that read them
            raise CarminError(Code.GENERIC, f"not an archive that can be read: {error}"[:_WORDS]) from None
        yield archive


@contextmanager
def _read(stream: io.BytesIO, levels: int) -> Iterator[UploadedArchive]:
    """Read an archive to its end, checksums included."""
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as zipped:
            found = UploadedArchive(_checked((_of_zip(one) for one in zipped.infolist()), levels), zipped)
            if broken := zipped.testzip():
                raise CarminError(
                    Code.GENERIC, f"not an archive that can be read: {broken[:100]!r} is damaged"
                )
            yield found
        return
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        found = UploadedArchive(_checked((_of_tar(one) for one in tar), levels), tar)
        for entry in found.entries:
            if not entry.directory:
                _skim(found.open(entry), entry.size)
        if tar.fileobj is not None:
            _skim(tar.fileobj, None)  # what compresses has a checksum at its end
        yield found


def _skim(file: _Readable, size: int | None) -> None:
    """Read a file to its end."""
    read = 0
    while piece := file.read(_PIECE):
        read += len(piece)
        if read > LARGEST:
            raise CarminError(Code.GENERIC, f"an archive has at most {LARGEST} bytes")
    if size is not None and read != size:
        raise CarminError(Code.GENERIC, "not an archive that can be read: it ends early")


def _of_zip(info: zipfile.ZipInfo) -> ArchiveMember:
    kind = (info.external_attr >> 16) & 0o170000
    if kind not in (0, 0o100000, 0o040000):
        raise CarminError(Code.GENERIC, "the archive holds a link or a device")
    return ArchiveMember(_path(info.filename), info.is_dir(), info.file_size, info)


def _of_tar(info: tarfile.TarInfo) -> ArchiveMember:
    if not (info.isreg() or info.isdir()):
        raise CarminError(Code.GENERIC, "the archive holds a link or a device")
    return ArchiveMember(_path(info.name), info.isdir(), info.size, info)


def _path(name: str) -> Segments:
    try:
        parts = parts_of(name)
    except tarfile.TarError:
        raise CarminError(Code.GENERIC, "the archive holds a name that leads elsewhere") from None
    if "\\" in name or any(len(part.encode("utf-8", "surrogateescape")) > LONGEST for part in parts):
        raise CarminError(Code.GENERIC, "the archive holds a name that leads elsewhere")
    if not is_text(name):
        raise CarminError(Code.GENERIC, "the archive holds a name that is not UTF-8")
    return parts


def _checked(entries: Iterator[ArchiveMember], levels: int) -> list[ArchiveMember]:
    found: list[ArchiveMember] = []
    size = 0
    for entry in entries:
        size += entry.size
        if len(found) >= MOST or size > LARGEST:
            raise CarminError(Code.GENERIC, f"an archive has at most {MOST} entries and {LARGEST} bytes")
        if levels + len(entry.path) > DEEPEST:
            raise CarminError(Code.GENERIC, f"a path has at most {DEEPEST} levels, those in an archive too")
        if entry.path:
            found.append(entry)
    return found
