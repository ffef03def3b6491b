"""Calls of prctl(2), which Python's library has no words for. A static Python can make none of them."""

import re
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_HIDING = re.compile(r"\bhidepid=(?!0\b|off\b)")

try:
    import ctypes

    _LIBC: Any = ctypes.CDLL(None)
except (ImportError, OSError):
    _LIBC = None

AVAILABLE = _LIBC is not None
"""Whether anything here has an effect."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends: nobody escapes (Linux 3.4)."""
    _call(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signal: int) -> None:
    """Get a signal when the parent ends. The caller must make sure that it has not ended already."""
    _call(_PR_SET_PDEATHSIG, signal)


def forbid_inspection() -> None:
    """Close memory, descriptors and environment of this process to others of its account, and ptrace(2) too.

    It holds for what is forked from now on, until that executes a program. Files of a closed process below
    /proc are root's: one's own can be read as before, not written. Where /proc hides what may not be traced
    (hidepid), nothing is closed: the processes of one account could not see that the others are alive.
    """
    if not _is_hiding():
        forbid_core_dump()


def forbid_core_dump() -> None:
    """Forbid that the end of this process leaves a core file."""
    _call(_PR_SET_DUMPABLE, 0)


def allow_inspection() -> None:
    """Undo `forbid_inspection` for this process: for one that knows no secret."""
    _call(_PR_SET_DUMPABLE, 1)


def _call(option: int, value: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def _is_hiding() -> bool:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
            rows = [line.split(" ") for line in mounts]
    except OSError:
        return True
    return any(row[1] == "/proc" and row[2] == "proc" and _HIDING.search(row[3]) for row in rows)
