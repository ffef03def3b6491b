"""The wheel, built, and installed with what a basic install has beside it: in an environment of its own.

`make services` makes it: the dependencies stay while the lock does, the wheel is as new as the sources.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.packages import run_installer

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".cache" / "tests" / "installed"
ENVIRONMENT = PLACE / "environment"
_SOURCES = ("engine", "wrappers", "cvmfs_deploy", "config", "docs/man")
_LOCK, _PROJECT = ROOT / "requirements.lock", ROOT / "pyproject.toml"


def wheel() -> Path:
    """The wheel, which is installed in `ENVIRONMENT`.

    Raises:
        RuntimeError: it is not there, or older than the sources.
    """
    if not _is(PLACE / "wheel.stamp", _sources()):
        raise RuntimeError("the wheel is not built, or older than the sources; type: make services")
    (built,) = PLACE.glob("*.whl")
    return built


def install() -> None:
    """Build and install it, unless it is there."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in PLACE.glob("*.whl"):
            if not _is(PLACE / "wheel.stamp", _sources()):
                old.unlink()
        if not list(PLACE.glob("*.whl")):
            build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(PLACE)]
            subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            (PLACE / "wheel.stamp").write_text(_sources())
        (built,) = PLACE.glob("*.whl")
        pip = [sys.executable, "-m", "pip", "--python", str(ENVIRONMENT), "--disable-pip-version-check"]
        # what is compiled is what is used, at its first use: all of it takes longer than all tests of it
        pip += ["-qq", "--no-input", "install", "--only-binary=:all:", "--no-compile"]
        if not _is(ENVIRONMENT / "stamp", _dependencies()):
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", ENVIRONMENT], check=True)
            # versions only: pip wants the hash of every package or of none, and the wheel just built has none
            constraints = PLACE / "constraints.txt"
            versions = re.findall(r"^[^\s#]+==\S+(?: ; [^\\\n]+)?", _LOCK.read_text(), re.M)
            constraints.write_text("\n".join(versions))
            run_installer([*pip, "-c", str(constraints), str(built)])
            (ENVIRONMENT / "stamp").write_text(_dependencies())
        else:
            subprocess.run([*pip, "--no-index", "--no-deps", "--force-reinstall", built], check=True)


def _is(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def _dependencies() -> str:
    return hashlib.sha256(_LOCK.read_bytes() + _PROJECT.read_bytes() + str(ENVIRONMENT).encode()).hexdigest()


def _sources() -> str:
    """What tells one state of the sources from another."""
    files = [_PROJECT, ROOT / "README.md"]
    for part in _SOURCES:
        files += sorted(path for path in (ROOT / part).rglob("*") if path.is_file())
    sums = hashlib.sha256()
    for path in files:
        if "__pycache__" not in path.parts:
            sums.update(f"{path}\n".encode() + path.read_bytes())
    return sums.hexdigest()
