"""A test that hangs ends, and so does a fixture; a slow fixture takes no time from the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT

CONFTEST = """
from tests import time_limits

time_limits.SET_UP_S = 1.5
"""
TESTS = """
import time

import pytest


@pytest.fixture
def slow():
    time.sleep(0.6)
    yield
    time.sleep(0.6)


@pytest.fixture
def endless():
    time.sleep(100)


@pytest.fixture
def never_put_away():
    yield
    time.sleep(100)


def test_that_waits_for_what_is_slow(slow):
    pass


def test_that_hangs():
    time.sleep(100)


def test_that_waits_for_what_never_comes(endless):
    pass


def test_that_is_over(never_put_away):
    pass


@pytest.mark.timeout(1.7)
def test_that_may_take_longer():
    time.sleep(0.6)
"""


def test_tests_and_fixtures_that_hang_end_each_after_its_own_time(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntimeout = 0.5\ntimeout_func_only = true\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    words = ["-q", "-p", "pytest_timeout", "-p", "tests.time_limits", "-p", "no:cacheprovider", "-rA"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        text=True,
    )
    told = sorted(line for line in ran.stdout.splitlines() if line.startswith(("PASSED", "FAILED", "ERROR")))
    assert [line.partition(" - ")[0].replace("test_some.py::test_that_", "") for line in told] == [
        "ERROR is_over",
        "ERROR waits_for_what_never_comes",
        "FAILED hangs",
        "PASSED is_over",
        "PASSED may_take_longer",
        "PASSED waits_for_what_is_slow",
    ], ran.stdout
    assert [line.rpartition("Timeout ")[2][:7] for line in told[:3]] == ["(>1.5s)", "(>1.5s)", "(>0.5s)"]
