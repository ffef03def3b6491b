"""What a test began and did not end: processes, threads and open files, before and after."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

GRACE_S = 5.0
"""Seconds that what was told to end may take for it."""
SERVERS = ("serve_forever", "process_request_thread")
"""Threads of servers of the tests, which end with their own fixtures."""


def processes(below: Path) -> set[str]:
    """Processes that this one started, did not wait for, and that work on files of a directory."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            for pid in (task / "children").read_text().split():
                with suppress(OSError):
                    words = Path("/proc", pid, "cmdline").read_bytes()
                    if f"{below}/".encode() in words:
                        found.add(f"process {pid}: {words!r}")
    return found


def descriptors(below: Path) -> set[str]:
    """Open files of a directory."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{entry}")
            if path.startswith(f"{below}/"):
                found.add(f"open file {path}")
    return found


@contextmanager
def nothing_left(directory: Path, apart: tuple[str, ...] = ()) -> Iterator[None]:
    """See that what is done in the block, with files of the directory, leaves no process, no thread and no
    open file. `apart` are parts of the names of threads that may stay.
    """
    threads, files, programs = set(threading.enumerate()), descriptors(directory), processes(directory)
    yield

    def left() -> list[str]:
        more = {f"thread {each.name}" for each in threading.enumerate() if each not in threads}
        kept = [name for name in more if not any(part in name for part in apart)]
        return sorted([*kept, *(processes(directory) - programs), *(descriptors(directory) - files)])

    deadline = time.monotonic() + GRACE_S
    while left() and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert not left(), left()
