"""Files at lfn: on a node whose DIRAC client is missing or broken. Elsewhere there is a real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wrappers import wire
from wrappers.transfer.errors import TransferError
from wrappers.transfer.moving import Mover
from wrappers.transfer.source import FileSource

STAND_IN = Path(__file__).resolve().parents[1] / "services" / "dirac_stand_in"
URL = "lfn:/biomed/user/a/alice/x"


def store(tmp_path: Path) -> list[wire.Tried]:
    """Tries once; how it went."""
    (tmp_path / "file").write_bytes(b"x")
    tried: list[wire.Tried] = []
    with Mover(wire.Transfers(rounds=1, elements=["SE-1"])) as mover, pytest.raises(TransferError):
        mover.store([URL], FileSource(str(tmp_path / "file")), tried)
    return tried


def test_a_node_without_a_dirac_client_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("DIRACOS", raising=False)
    [tried, *_] = store(tmp_path)
    assert tried.error == f"{URL}: this node has no DIRAC client"


def test_a_dirac_client_that_cannot_be_used_leaves_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bin" / "dirac-proxy-info"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    monkeypatch.delenv("DIRACOS", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(STAND_IN))
    monkeypatch.setenv("STAND_IN_START", "dies")
    [tried, *_] = store(tmp_path)
    assert "DIRAC's client ended with 3: Fatal: cannot open libstand_in.so" in tried.error
