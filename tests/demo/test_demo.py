"""`make demo` works from end to end: container, registry, real images, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.portal import LINES

pytestmark = pytest.mark.whole


@pytest.mark.service
def test_the_demo_converts_every_series_and_leaves_its_provenance(tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "-m", "tests.demo"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("checked:") == 5
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/*/provenance/*.json")]
    assert len(records) == 5
    assert {record["public-output"]["exit-code"] for record in records} == {0}
    assert all(record["additional-information"]["image"]["digest"] for record in records)


@pytest.mark.service
def test_the_demo_of_cvmfs_deploy_publishes_an_image_and_runs_it_without_a_registry(
    tmp_path: Path, home: Path
) -> None:
    command = [sys.executable, "-m", "tests.demo.cvmfs"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("checked:") == 2
    assert "nothing to do" in done.stdout


@pytest.mark.service
def test_the_demo_of_the_portal_runs_twelve_lines_of_vip_client(tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "-m", "tests.demo.portal", "--once"]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("checked:") == 1
    assert len(LINES.splitlines()) == 12
