"""Copies of files in which holes stay holes: what takes 4 kB may say that it has 10 GB."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy the content of a file."""
    with open(source, "rb", buffering=0) as reading, open(target, "wb", buffering=0) as writing:
        old, new = reading.fileno(), writing.fileno()
        size, at = os.fstat(old).st_size, 0
        while (at := _data(old, at)) < size:
            end = min(os.lseek(old, at, os.SEEK_HOLE), size)
            os.lseek(new, at, os.SEEK_SET)
            while at < end:
                sent = os.sendfile(new, old, at, end - at)
                if not sent:
                    raise OSError(errno.EIO, f"{source} became shorter while it was copied")
                at += sent
        os.ftruncate(new, size)


def _data(file: int, at: int) -> int:
    """Return where data begins from some place on; beyond the end when there is none."""
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return 1 << 62
