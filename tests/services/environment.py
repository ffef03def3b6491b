"""A virtual environment for servers from PyPI, made when first wanted: heavy, and none of the engine's."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.packages import run_installer

ROOT = Path(__file__).resolve().parents[2]
_LOCK = Path(__file__).with_name("requirements.lock")
_ENVIRONMENT = ROOT / ".cache" / "tests" / "servers"
_STAMP = _ENVIRONMENT / "stamp"


def server_program(name: str) -> str:
    """The path of a program of that environment, such as `python` or `moto_server`."""
    wanted = hashlib.sha256(_LOCK.read_bytes() + str(_ENVIRONMENT).encode()).hexdigest()
    if not _is_there(wanted):
        _ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
        with open(_ENVIRONMENT.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_there(wanted):
                _make()
                _STAMP.write_text(wanted)
    return str(_ENVIRONMENT / "bin" / name)


def _is_there(wanted: str) -> bool:
    return _STAMP.exists() and _STAMP.read_text() == wanted


def _make() -> None:
    shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", _ENVIRONMENT], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(_ENVIRONMENT)]
    pip += ["--disable-pip-version-check", "-qq", "--no-input"]
    run_installer([*pip, "install", "--require-hashes", "-r", _LOCK])
