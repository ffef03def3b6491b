"""A bundle as `make bundle` makes it, signed with a key of the tests. `make services` makes it."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.packaging import bundle, lock
from tests.services import installed
from tests.services.debian import require

PLACE = installed.ROOT / ".cache" / "tests" / "bundle"
KEY = PLACE / "key"
"""It signs the bundle; the public half is in `key.pub`."""
_MADE_BY = [bundle.SCRIPT.with_name(name) for name in ("bundle.py", "lock.py", "install.sh")]


def archive() -> Path:
    """The bundle.

    Raises:
        RuntimeError: it is not there, or older than the sources.
    """
    if not _is_up_to_date():
        raise RuntimeError("the bundle is not made, or older than the sources; type: make services")
    (made,) = PLACE.glob("*.tar")
    return made


def install() -> None:
    """Make it of the wheel that is built already, unless it is there."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE.with_suffix(".lock"), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if _is_up_to_date():
            return
        shutil.rmtree(PLACE)
        PLACE.mkdir()
        words = ["-q", "-t", "ed25519", "-N", "", "-C", "key of the tests", "-f", str(KEY)]
        subprocess.run([require("ssh-keygen"), *words], check=True)
        bundle.make(PLACE, extras=["all"], wheel=installed.wheel(), key=KEY)
        (PLACE / "stamp").write_text(_wanted())


def sum_of_dependencies() -> str:
    """What tells the wheels of others in one bundle from those in another."""
    return hashlib.sha256(lock.LOCK.read_bytes() + bundle.SCRIPT.read_bytes()).hexdigest()


def _is_up_to_date() -> bool:
    stamp = PLACE / "stamp"
    return stamp.exists() and stamp.read_text() == _wanted()


def _wanted() -> str:
    sums = hashlib.sha256()
    for path in (*_MADE_BY, lock.LOCK, installed.wheel()):
        sums.update(path.read_bytes())
    return sums.hexdigest()
