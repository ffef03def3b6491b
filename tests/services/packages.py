"""Programs that download: what fails once may come the next time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

PAUSES = (5.0, 30.0)
"""Seconds before it is tried again."""


def run_installer(
    command: Sequence[str | os.PathLike[str]], variables: Mapping[str, str] | None = None
) -> str:
    """Run a program that downloads and installs, up to three times; gives what it prints.

    Raises:
        RuntimeError: it failed each time.
    """
    pauses = iter(PAUSES)
    while True:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, **(variables or {})},
        )
        if not done.returncode:
            return done.stdout
        words = f"{' '.join(map(str, command[:4]))}: {done.stderr.strip()[-1500:]}"
        pause = next(pauses, None)
        if pause is None:
            raise RuntimeError(words)
        print(f"Trying again in {pause:.0f} s: {words}", file=sys.stderr, flush=True)
        time.sleep(pause)
