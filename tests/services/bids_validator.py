"""The validator of the BIDS standard, compiled for Deno: it alone checks derivative data sets. It is in an
environment of its own (110 MB), which `make services` makes.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from tests.services import stamped
from tests.services.packages import run_installer

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_suffix(".txt")
PLACE = ROOT / ".cache" / "tests" / "bids-validator"


def errors_in(dataset: Path) -> list[str]:
    """What the validator finds wrong, with the files.

    Raises:
        RuntimeError: it is not installed.
    """
    if not stamped.is_up_to_date(PLACE, _wanted()):
        raise RuntimeError("bids-validator is not installed; type: make services")
    program = PLACE / "bin" / "bids-validator-deno"
    ran = subprocess.run([program, dataset, "--json"], capture_output=True, text=True)
    found = json.loads(ran.stdout)["issues"]["issues"]
    errors = [f"{one['code']} {one['location']}" for one in found if one["severity"] == "error"]
    assert bool(errors) == bool(ran.returncode), ran
    return errors


def install() -> None:
    """Install it, unless it is there."""
    stamped.make(PLACE, _wanted(), _make)


def _make() -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", PLACE], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(PLACE), "--disable-pip-version-check", "-qq"]
    run_installer([*pip, "--no-input", "install", "-r", REQUIREMENTS])


def _wanted() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes() + str(PLACE).encode()).hexdigest()
