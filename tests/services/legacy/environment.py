"""DIRAC's own virtual environment, made when first wanted: 630 MB, some of it compiled here.

`requirements.lock` comes from `requirements.in`, with uv (`.ci/lock` makes `.cache/uv`):

    uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
        --override overrides.txt -o requirements.lock requirements.in
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services import diracx
from tests.services.debian import DIRAC_PACKAGES, require

ROOT = Path(__file__).resolve().parents[3]
VENV = ROOT / ".cache" / "tests" / "dirac"
_LOCK = Path(__file__).with_name("requirements.lock")
_UV = "uv==0.13.9"
"""pip asks for one file after the other: eight minutes, where uv needs one."""


def dirac_python() -> Path:
    """DIRAC's Python; its commands are beside it.

    Raises:
        RuntimeError: something of it cannot be had.
    """
    for program in DIRAC_PACKAGES:
        require(program)
    stamp = VENV / "stamp"
    wanted = hashlib.sha256(_LOCK.read_bytes() + f"{VENV} {_UV} {sys.version}".encode()).hexdigest()
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with open(VENV.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            _make()
            stamp.write_text(wanted)
    return VENV / "bin" / "python"


def _make() -> None:
    header = Path(sysconfig.get_path("include")) / "Python.h"
    require(str(header), f"libpython{sys.version_info.major}.{sys.version_info.minor}-dev")
    shutil.rmtree(VENV, ignore_errors=True)
    # copies: JobWrapper starts the file that sys.executable leads to, which must still know its packages
    _run([sys.executable, "-m", "venv", "--copies", str(VENV)])
    python = VENV / "bin" / "python"
    _run([str(python), "-m", "pip", "--disable-pip-version-check", "-q", "--no-input", "install", _UV])
    downloads = VENV / "downloads"  # on the file system of the packages: what is there is linked, not copied
    install = ["pip", "install", "-q", "--python", str(python), "--no-deps", "--require-hashes"]
    options = ["--compile-bytecode", "--cache-dir", str(downloads), "-r", str(_LOCK)]
    _run([str(VENV / "bin" / "uv"), *install, *options], _compiling())
    shutil.rmtree(downloads)


def _compiling() -> Mapping[str, str]:
    """Variables for what has no wheel: mysqlclient, and M2Crypto, which finds swig and OpenSSL by itself."""
    variables = {"MYSQLCLIENT_CFLAGS": "-I/usr/include/mariadb", "MYSQLCLIENT_LDFLAGS": "-lmariadb"}
    variables["CFLAGS"] = "-O0 -g0"  # half the time of M2Crypto, which is one file of 1.5 MB
    for pip, uv in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")):
        if pip in os.environ:  # who tells pip where packages are tells uv the same
            variables[uv] = os.environ[pip]
    return variables


def _run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr.strip()[-1500:]}")


if __name__ == "__main__":  # before the tests, whose time is limited
    for place, make in ((VENV, dirac_python), (diracx.VENV, diracx.python)):
        print(f"Making {place.relative_to(ROOT)}, if it is not there (minutes)", flush=True)
        make()
