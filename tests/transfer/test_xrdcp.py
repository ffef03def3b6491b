"""What xrdcp is told. In its place is a program that writes down its environment, and fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from wrappers import wire
from wrappers.transfer.errors import TransferError
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.source import FileSource

URL = "root://127.0.0.1:9//file"
PAGES_ARE_LEFT_OUT = "XRD_CPUSEPGWRTRD=0"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the environment is written down."""
    told = tmp_path / "environment"
    for name in ("xrdcp", "xrdfs"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nenv > {told}\necho permission denied >&2\nexit 54\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return told


@pytest.mark.parametrize("sums", [{}, {"adler32": "00000001"}], ids=["nothing to compare with", "a checksum"])
def test_pages_are_compared_on_the_way_unless_the_whole_is_in_the_end(
    tmp_path: Path, told: Path, sums: dict[str, str]
) -> None:
    with (
        Mover(wire.Transfers()) as mover,
        Part(str(tmp_path / "part"), Expected(None, sums)) as part,
        pytest.raises(TransferError, match="permission denied"),
    ):
        mover.fetch([URL], part, [])
    assert (PAGES_ARE_LEFT_OUT in told.read_text().splitlines()) == bool(sums)


def test_what_is_stored_is_compared_as_a_whole(tmp_path: Path, told: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with Mover(wire.Transfers()) as mover, pytest.raises(TransferError, match="permission denied"):
        mover.store([URL], FileSource(str(tmp_path / "file")), [])
    assert PAGES_ARE_LEFT_OUT in told.read_text().splitlines()
