"""What comes back with a job: an archive with reports and logs, made by a node and so trusted in nothing."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

LARGEST_FILE = 64 << 20
"""Bytes of one file that is taken from an output sandbox: DiracX takes sandboxes of up to 100 MiB."""

_WANTED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*\.(report\.json|out|err|debug|results\.tar)", re.ASCII)


class UnreadableArchive(Exception):
    """The sandbox is no archive."""


def unpack(data: bytes, into: Path) -> list[Path]:
    """Take reports and logs out of a sandbox; anything else in it, and anything too large, is left.

    Raises:
        UnreadableArchive: it is no archive.
    """
    brought = []
    try:
        with opened(data) as tar:
            for entry in tar:
                name = entry.name.removeprefix("./")
                if entry.isfile() and entry.size <= LARGEST_FILE and _WANTED.fullmatch(name):
                    brought.append(_write(tar, entry, into / name))
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # no room here: nothing is wrong with the archive
        raise UnreadableArchive(f"the output sandbox cannot be read: {error}") from None
    return brought


@contextmanager
def opened(data: bytes) -> Iterator[tarfile.TarFile]:
    """Open a tar, whatever it is compressed with: zstandard, or what tarfile knows itself."""
    stream: IO[bytes] = io.BytesIO(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard  # DiracX's sandboxes alone need it

        stream = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(data))
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                yield tar
        except zstandard.ZstdError as error:
            raise tarfile.ReadError(str(error)) from None
    else:
        with tarfile.open(fileobj=stream, mode="r:*") as tar:
            yield tar


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> Path:
    content = tar.extractfile(entry)
    with target.open("wb") as file:
        while content is not None and (piece := content.read(1 << 20)):
            file.write(piece)
    return target
