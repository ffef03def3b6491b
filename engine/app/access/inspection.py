"""Keeping other processes of the same account out of the daemon: its memory, descriptors and environment."""

from __future__ import annotations

import ctypes
import os

_PR_SET_DUMPABLE = 4


def forbid_inspection() -> None:
    """Close /proc/PID/mem, fd and environ of this process to its own account, and ptrace(2) with them.

    A trusted pipeline may run as the account of the daemon. By prctl(2), PR_SET_DUMPABLE; it holds until the
    next exec, so that programs which the daemon starts are not concerned.

    Raises:
        OSError: this kernel does not allow it.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
