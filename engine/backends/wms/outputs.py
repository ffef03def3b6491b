"""What comes back with a job: an archive with reports and logs, made by a node and so trusted in nothing."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from wrappers.containers.members import opened, pieces_of

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
        with output_sandbox(data) as tar:
            for entry in tar:
                name = entry.name.removeprefix("./")
                if entry.isfile() and entry.size <= LARGEST_FILE and _WANTED.fullmatch(name):
                    brought.append(into / name)
                    with brought[-1].open("wb") as file:
                        file.writelines(pieces_of(tar, entry))
    except tarfile.TarError as error:
        raise UnreadableArchive(f"the output sandbox cannot be read: {error}") from None
    return brought


@contextmanager
def output_sandbox(data: bytes) -> Iterator[tarfile.TarFile]:
    """Open a tar, whatever it is compressed with: zstandard, or what tarfile knows itself."""
    stream: IO[bytes] = io.BytesIO(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard  # DiracX's sandboxes alone need it

        stream = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(data))
        try:
            with opened(stream, "r|") as tar:
                yield tar
        except zstandard.ZstdError as error:
            raise tarfile.ReadError(str(error)) from None
    else:
        with opened(stream) as tar:
            yield tar
