"""`make demo-storage` works from end to end: real storages, one of them killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole


@pytest.mark.service
def test_every_result_arrives_though_a_storage_is_killed(tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "-m", "tests.demo.storage"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "checked: all 24 slices" in done.stdout
    assert "on the spare storage: 0" not in done.stdout
