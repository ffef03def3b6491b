"""What a short command loads: starting is most of its time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole

PROGRAM = """
import sys
from engine.settings.reading import load
from engine.wiring import build
list(build(load(None)).app.newest(limit=1))
unwanted = "engine.planning", "engine.reconcile.collect", "engine.storages.file", "wrappers.transfer.http"
print(*(name for name in sys.modules if name.startswith(unwanted)))
"""


def test_a_command_that_looks_at_executions_loads_neither_planning_nor_transfers(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=home, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
