"""Who holds the lease: a process, named so that any other process of this machine can see that it is dead.

Without that, whoever comes after an engine that was killed would wait until its lease has run out.
"""

from __future__ import annotations

import os
import socket

from engine.ids import new_id
from wrappers.node import procfs


def this_process() -> str:
    """HOST:PID:START:PLACE:ID. PLACE is where this process id has this meaning: one start of a machine, and
    one container on it. ID tells the engines of one process apart.
    """
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{procfs.start_time(pid)}:{_process()}:{new_id()}"


def is_dead(holder: str) -> bool:
    """Say whether it is certain that a holder runs no more. Of another machine's nobody can tell."""
    parts = holder.split(":")
    if len(parts) != 5 or parts[3] != _process() or not (parts[1] + parts[2]).isdigit():
        return False
    pid, start = int(parts[1]), int(parts[2])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's: it may be hidden from us in /proc
    return procfs.start_time(pid) != start


def _process() -> str:
    return f"{procfs.boot_id()}/{os.stat('/proc/self/ns/pid').st_ino}"
