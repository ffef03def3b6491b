"""The packages of `docs/examples`, built and installed as a user does it, in a directory of their own.

`make services` makes them; whoever wants the engine to see them puts the directory into PYTHONPATH.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "docs" / "examples"
PLACE = ROOT / ".cache" / "tests" / "examples"
_STAMP = PLACE / "stamp"


def examples() -> Path:
    """The directory with all of them installed.

    Raises:
        RuntimeError: they are not there, or older than their sources.
    """
    if not _is_up_to_date():
        raise RuntimeError("the packages of docs/examples are not installed; type: make services")
    return PLACE


def install() -> None:
    """Build and install them, unless they are there."""
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    with open(PLACE.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_up_to_date():
            return
        shutil.rmtree(PLACE, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--no-input", "install"]
        quiet = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(PLACE)]
        packages = sorted(str(path.parent) for path in SOURCES.glob("*/pyproject.toml"))
        subprocess.run([*pip, *quiet, *packages], check=True)
        _STAMP.write_text(_wanted())


def _is_up_to_date() -> bool:
    return _STAMP.exists() and _STAMP.read_text() == _wanted()


def _wanted() -> str:
    """What tells one state of the sources, and of the Python they are for, from another."""
    files = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".py", ".toml"))
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return "\n".join([sys.version, *map(str, files), *sums])
