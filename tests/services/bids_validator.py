"""The validator of the BIDS standard, compiled for Deno: it alone checks derivative data sets. It is in an
environment of its own (110 MB), which `make services` makes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.packages import run_installer

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_suffix(".txt")
PLACE = ROOT / ".cache" / "tests" / "bids-validator"
_STAMP = PLACE / "stamp"


def errors_in(dataset: Path) -> list[str]:
    """What the validator finds wrong, with the files.

    Raises:
        RuntimeError: it is not installed.
    """
    if not _is_there():
        raise RuntimeError("bids-validator is not installed; type: make services")
    program = PLACE / "bin" / "bids-validator-deno"
    ran = subprocess.run([program, dataset, "--json"], capture_output=True, text=True)
    found = json.loads(ran.stdout)["issues"]["issues"]
    errors = [f"{one['code']} {one['location']}" for one in found if one["severity"] == "error"]
    assert bool(errors) == bool(ran.returncode), ran
    return errors


def install() -> None:
    """Install it, unless it is there."""
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    with open(PLACE.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_there():
            return
        shutil.rmtree(PLACE, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", PLACE], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(PLACE), "--disable-pip-version-check", "-qq"]
        run_installer([*pip, "--no-input", "install", "-r", REQUIREMENTS])
        _STAMP.write_text(_wanted())


def _is_there() -> bool:
    return _STAMP.exists() and _STAMP.read_text() == _wanted()


def _wanted() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes() + str(PLACE).encode()).hexdigest()
