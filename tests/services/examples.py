"""The packages of `docs/examples`, built and installed as a user does it, in a directory of their own.

`make services` makes them; whoever wants the engine to see them puts the directory into PYTHONPATH.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.services import stamped

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "docs" / "examples"
PLACE = ROOT / ".cache" / "tests" / "examples"


def examples() -> Path:
    """The directory with all of them installed.

    Raises:
        RuntimeError: they are not there, or older than their sources.
    """
    if not stamped.is_up_to_date(PLACE, _wanted()):
        raise RuntimeError("the packages of docs/examples are not installed; type: make services")
    return PLACE


def install() -> None:
    """Build and install them, unless they are there."""
    stamped.make(PLACE, _wanted(), _make)


def _make() -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "--no-input", "install"]
    quiet = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(PLACE)]
    packages = sorted(str(path.parent) for path in SOURCES.glob("*/pyproject.toml"))
    subprocess.run([*pip, *quiet, *packages], check=True)


def _wanted() -> str:
    """What tells one state of the sources, and of the Python they are for, from another."""
    files = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".py", ".toml"))
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return "\n".join([sys.version, *map(str, files), *sums])
