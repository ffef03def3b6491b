"""Directories that `make services` makes: a stamp in each says of what; one process at a time makes it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


def is_up_to_date(place: Path, wanted: str) -> bool:
    """Say whether a directory was made, to its end, of what is wanted now."""
    stamp = place / "stamp"
    return stamp.exists() and stamp.read_text() == wanted


def make(place: Path, wanted: str, steps: Callable[[], None]) -> None:
    """Make a directory anew, unless it is up to date."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_up_to_date(place, wanted):
            return
        shutil.rmtree(place, ignore_errors=True)
        steps()
        (place / "stamp").write_text(wanted)
