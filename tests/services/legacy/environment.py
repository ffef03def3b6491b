"""Environments of DIRAC's own, which `make services-dirac` makes: 630 MB each, some of it compiled here.

`requirements-N.lock` comes from `requirements-N.in`, with uv (`.ci/lock` makes `.cache/uv`):

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
        --override overrides.txt -o requirements-N.lock requirements-N.in
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tests.services import diracx
from tests.services.debian import DIRAC_PACKAGES, require
from tests.services.packages import run_installer

ROOT = Path(__file__).resolve().parents[3]
GENERATIONS = (8, 9)
_CACHE = ROOT / ".cache" / "tests"
_DOWNLOADS = _CACHE / "dirac-downloads"
"""On the file system of the packages: what is there is linked, not copied, and for both what both have."""
_UV = "uv==0.13.9"
"""pip asks for one file after the other: eight minutes, where uv needs one."""


def venv(generation: int) -> Path:
    """Where the environment of DIRAC 8 or 9 is, or will be."""
    return _CACHE / f"dirac-{generation}"


def dirac_python(generation: int) -> Path:
    """The Python of DIRAC 8 or 9; its commands are beside it.

    Raises:
        RuntimeError: it is not there, or of other versions.
    """
    if not _is_up_to_date(generation):
        raise RuntimeError(
            f"DIRAC {generation} is not installed, or of other versions; type: make services-dirac"
        )
    return venv(generation) / "bin" / "python"


def install(*generations: int) -> None:
    """Make the environments of these DIRACs, unless they are there.

    Raises:
        RuntimeError: something of it cannot be had.
    """
    for program in DIRAC_PACKAGES:
        require(program)
    _CACHE.mkdir(parents=True, exist_ok=True)
    with open(_CACHE / "dirac.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for generation in generations:
            if not _is_up_to_date(generation):
                _make(venv(generation), _packages(generation))
                (venv(generation) / "stamp").write_text(_wanted(generation))
        shutil.rmtree(_DOWNLOADS, ignore_errors=True)


def _packages(generation: int) -> Path:
    return Path(__file__).with_name(f"requirements-{generation}.lock")


def _is_up_to_date(generation: int) -> bool:
    stamp = venv(generation) / "stamp"
    return stamp.exists() and stamp.read_text() == _wanted(generation)


def _wanted(generation: int) -> str:
    chosen = f"{venv(generation)} {_UV} {sys.version}".encode()
    return hashlib.sha256(_packages(generation).read_bytes() + chosen).hexdigest()


def _make(place: Path, packages: Path) -> None:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    require(str(header), f"libpython{sys.version_info.major}.{sys.version_info.minor}-dev")
    shutil.rmtree(place, ignore_errors=True)
    # copies: JobWrapper starts the file that sys.executable leads to, which must still know its packages
    run_installer([sys.executable, "-m", "venv", "--copies", place])
    python = place / "bin" / "python"
    run_installer([python, "-m", "pip", "--disable-pip-version-check", "-q", "--no-input", "install", _UV])
    install = ["pip", "install", "-q", "--python", str(python), "--no-deps", "--require-hashes"]
    options = ["--compile-bytecode", "--cache-dir", str(_DOWNLOADS), "-r", str(packages)]
    run_installer([place / "bin" / "uv", *install, *options], _compiling())


def _compiling() -> Mapping[str, str]:
    """Variables for what has no wheel: mysqlclient, and M2Crypto, which finds swig and OpenSSL by itself."""
    variables = {"MYSQLCLIENT_CFLAGS": "-I/usr/include/mariadb", "MYSQLCLIENT_LDFLAGS": "-lmariadb"}
    variables["CFLAGS"] = "-O0 -g0"  # half the time of M2Crypto, which is one file of 1.5 MB
    for pip, uv in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")):
        if pip in os.environ:  # who tells pip where packages are tells uv the same
            variables[uv] = os.environ[pip]
    return variables


if __name__ == "__main__":  # before the tests, whose time is limited
    print("Making the environments of DIRAC and DiracX, where they are not there (minutes)", flush=True)
    install(*(int(word) for word in sys.argv[1:]))
    diracx.install()
