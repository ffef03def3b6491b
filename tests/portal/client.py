"""Runs a script with the unmodified vip-client from PyPI."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.portal.house import House
from tests.services.environment import server_program

_START = """
import sys
from vip_client import VipLauncher, VipSession
from vip_client.utils import vip
KEY, URL = sys.argv[1:]
"""


def with_vip_client(house: House, script: str, directory: Path, *, key: str = "") -> str:
    """What a script prints that knows VipSession, VipLauncher, vip, KEY and URL."""
    file = directory / "script.py"
    file.write_text(_START + script)
    done = subprocess.run(
        [server_program("python"), file, key or house.keys["ann"], house.url],
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
