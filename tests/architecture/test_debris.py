"""One failure is one failure: what a failed test leaves fails no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT

TESTS = """
import gc, socket, subprocess


def test_that_fails_with_things_open():
    ring = [socket.socket(), subprocess.Popen(["sleep", "10"], stdout=subprocess.PIPE), open(__file__)]
    ring.append(ring)
    assert not ring


def test_that_fails_while_waiting():
    process = subprocess.Popen(["sleep", "10"], stdout=subprocess.PIPE)
    raise RuntimeError(process)


def test_that_has_nothing_to_do_with_it():
    gc.collect()
"""


def test_what_a_failed_test_leaves_open_fails_no_other(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    words = ["-q", "-W", "error", "-p", "tests.debris", "-p", "no:cacheprovider", "test_some.py"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert "2 failed, 1 passed" in ran.stdout, ran.stdout
