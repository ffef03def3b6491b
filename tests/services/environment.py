"""The environment of servers from PyPI, which `make services` makes: heavy, and none of the engine's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.services import stamped
from tests.services.packages import run_installer

ROOT = Path(__file__).resolve().parents[2]
_LOCK = Path(__file__).with_name("requirements.lock")
_ENVIRONMENT = ROOT / ".cache" / "tests" / "servers"


def server_program(name: str) -> str:
    """The path of a program of that environment, such as `python` or `moto_server`.

    Raises:
        RuntimeError: it is not there, or of other versions.
    """
    if not stamped.is_up_to_date(_ENVIRONMENT, _wanted()):
        raise RuntimeError("the servers from PyPI are missing, or of other versions; type: make services")
    return str(_ENVIRONMENT / "bin" / name)


def install() -> None:
    """Make the environment, unless it is there.

    Raises:
        RuntimeError: something of it cannot be had.
    """
    stamped.make(_ENVIRONMENT, _wanted(), _make)


def _wanted() -> str:
    return hashlib.sha256(_LOCK.read_bytes() + str(_ENVIRONMENT).encode()).hexdigest()


def _make() -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", _ENVIRONMENT], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(_ENVIRONMENT)]
    pip += ["--disable-pip-version-check", "-qq", "--no-input"]
    run_installer([*pip, "install", "--require-hashes", "-r", _LOCK])
