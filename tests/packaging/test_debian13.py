"""The engine runs on Debian 13 with its Python 3.13, as an ordinary user with an empty environment."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.packaging.test_wheel import DESCRIPTOR
from tests.services.debian13 import ENGINE, within

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(os.geteuid() != 0, reason="another root directory is entered by root only"),
]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(within(command), stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.mark.parametrize(("option", "shows"), [("--version", "0.1.0"), ("--help", "submit")])
def test_it_explains_itself(option: str, shows: str) -> None:
    told = run(ENGINE, option)
    assert (told.returncode, told.stderr) == (0, "")
    assert shows in told.stdout


def test_it_runs_a_job() -> None:
    script = f"""
        set -e
        cd /tmp
        printf '%s' "$1" > descriptor.json
        printf '{{"text": "hello"}}' > invocation.json
        {ENGINE} submit descriptor.json invocation.json --runtime none >&2
        cat results/*/outputs/said.txt
        id -u
    """
    told = run("HOME=/tmp/home", "sh", "-c", script, "sh", json.dumps(DESCRIPTOR))
    assert (told.returncode, told.stdout) == (0, "hello\n65534\n"), told.stderr
