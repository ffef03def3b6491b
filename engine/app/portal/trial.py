"""A first look at a descriptor of somebody else's, in a process of its own: what one costs cannot be seen
from its size, and the daemon has better to do than to wait for one that takes minutes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.app.portal.carmin import CarminError, Code
from engine.app.shares import Shares
from engine.errors import BadRequest
from engine.planning import Descriptor, compile_tool
from engine.planning.descriptors import canonical_sha256

if TYPE_CHECKING:
    from engine.store.database import Database

SECONDS = 3
"""Of a processor: what a descriptor may take. Those of real tools take some hundredths."""
_TIMEOUT_S = 60.0
"""Seconds for the whole process, on a machine that is busy."""
_MEMORY = 1 << 30
_NO_MEMORY = 12
_AT_A_TIME = 4
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")


class Trials:
    """Examinations of descriptors, a few of an account at a time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._shares = Shares(_AT_A_TIME)

    def check(self, account_id: str, data: Mapping[str, Any]) -> None:
        """Return if a descriptor was looked through before, or is in a short time, valid or not.

        Raises:
            Refused: it takes too long, or too much memory; or the account has others looked at.
        """
        from engine.store import descriptors  # the process that looks needs no database

        with self._db.read() as connection:
            if descriptors.checked_by(connection, canonical_sha256(data)):
                return
        if not self._shares.take(account_id):
            raise CarminError(Code.GENERIC, "too many new descriptors at a time", status=429, retry_after=5)
        try:
            short = _is_short(data)
        finally:
            self._shares.give_back(account_id)
        if not short:
            raise CarminError(
                Code.WRONG_DESCRIPTOR,
                f"descriptor: it takes more than {SECONDS} seconds to be looked through",
                remedy="have it call a script of its image, with fewer inputs, outputs, groups or commands",
            )


def _is_short(data: Mapping[str, Any]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(data).encode("ascii"),
            cwd="/",
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return done.returncode not in (-signal.SIGXCPU, -signal.SIGKILL, _NO_MEMORY)
    return False


def _main() -> None:
    data = json.load(sys.stdin)
    with suppress(BadRequest):
        compile_tool(Descriptor.of({"inputs": [], "command-line": ""}))  # loads what is needed
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        compile_tool(Descriptor.of(data))
    except BadRequest:
        return
    except MemoryError:
        sys.exit(_NO_MEMORY)


if __name__ == "__main__":
    _main()
