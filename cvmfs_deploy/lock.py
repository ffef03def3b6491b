"""One run at a time: a lock that the kernel drops with its process."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import Unavailable

_POLL_INTERVAL_S = 0.2  # seconds


@contextmanager
def locked(path: Path, wait: float, shared: bool = False) -> Iterator[None]:
    """Hold the lock for the block; wait for another run at most `wait` seconds.

    `shared` is for readers, several of whom may hold it. They need not be able to write there; where there is
    no lock that they may open, they go on without.

    Raises:
        Unavailable: another run has it, and is named.
    """
    if shared:
        with _shared(path, wait):
            yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(file, path, wait, fcntl.LOCK_EX)
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(file, 0)
    finally:
        os.close(file)


@contextmanager
def _shared(path: Path, wait: float) -> Iterator[None]:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        _take(file, path, wait, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def holder(path: Path) -> str:
    """Return who has the lock now; "" when nobody has."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return ""
    except BlockingIOError:
        return os.pread(file, 200, 0).decode("utf-8", "replace") or "another process"
    finally:
        os.close(file)


def _take(file: int, path: Path, wait: float, kind: int) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                who = os.pread(file, 200, 0).decode("utf-8", "replace") or "a process that reads there"
                raise Unavailable(
                    f"another run is at work: {who} (lock {path})", remedy="try again when it has ended"
                ) from None
            time.sleep(_POLL_INTERVAL_S)
