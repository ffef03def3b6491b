"""Tar archives that others made: whatever is wrong with one is said in one way."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wrappers.containers.members import opened, parts_of, pieces_of
from wrappers.transfer.errors import Transient
from wrappers.transfer.tree import unpack

CONTENT = "".join(f"{number} is a number\n" for number in range(20_000)).encode()


def packed(compression: str) -> bytes:
    buffer = io.BytesIO()
    mode: Any = f"w:{compression}"
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        entry = tarfile.TarInfo("a/file")
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    return buffer.getvalue()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    """Damaged after its first block, so that it begins as an archive."""
    middle = len(data) // 2
    return data[:middle] + b"\xff" * 64 + data[middle + 64 :]


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_an_archive_is_read_whatever_it_is_compressed_with(compression: str) -> None:
    with opened(io.BytesIO(packed(compression))) as tar:
        (member,) = tar
        assert parts_of(member.name) == ("a", "file")
        assert b"".join(pieces_of(tar, member)) == CONTENT


@pytest.mark.parametrize("damaged", [cut, flipped])
@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_damaged_archive_is_said_to_be_damaged(
    compression: str, damaged: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    archive = tmp_path / "archive.tar"
    archive.write_bytes(damaged(packed(compression)))
    with pytest.raises(tarfile.TarError), opened(str(archive)) as tar:
        for member in tar:
            assert b"".join(pieces_of(tar, member)) != CONTENT
    with pytest.raises(Transient, match="the tar cannot be unpacked: "):
        unpack(str(archive), str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "nul\0"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(tarfile.TarError, match="leads out of it"):
        parts_of(name)


def test_this_machine_is_not_taken_for_a_damaged_archive(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), opened(str(tmp_path / "none")):
        pass
    with pytest.raises(OSError, match="No space left"), opened(io.BytesIO(packed("gz"))) as tar:
        raise OSError(28, f"No space left for {tar.getnames()}")
