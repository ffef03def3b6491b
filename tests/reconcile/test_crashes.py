"""Whatever dies, and whenever: every job runs once and ends once, and nothing is left lying about."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.reconcile.crash_driver import JOBS

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def trials(home: Path, tmp_path: Path) -> list[dict[str, object]]:
    """What became of one execution for each boundary at which the engine was killed."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.reconcile.crash_driver", str(tmp_path), "10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "ENGINE_BACKENDS__LOCAL__IDLE": "20"},
    )
    with suppress(FileNotFoundError, ProcessLookupError):
        noted = home / ".local/state/boutiques-engine/local/server.json"
        os.kill(json.loads(noted.read_text())["pid"], signal.SIGTERM)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_an_engine_killed_at_any_boundary_is_carried_on_and_every_job_ran_exactly_once(
    trials: list[dict[str, object]],
) -> None:
    numbers = [str(n) for n in range(1, JOBS + 1)]
    assert len(trials) > 40
    assert sum(1 for t in trials if t["deaths"]) > 40
    for t in trials:
        name = t["trial"]
        assert t["state"] == "succeeded", t
        assert t["counted"] == numbers, f"{name}: a job ran twice or not at all"
        assert t["results"] == t["files"] == [f"{n}/out.txt" for n in numbers], t
        assert t["debris"] == [], t
        assert t["outbox"] == 0, t
