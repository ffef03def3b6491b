"""The network file system that a tool runs from, watched while it runs: a tool may wait for it for ever."""

import os
import time
from typing import Callable, Optional

from wrappers.containers.timed import Limit, Look, touch

_LOOK_LIMITS = 3  # times the limit of a look: without an answer, while the tool does nothing either
_IDLE_S = 0.5  # seconds of processor time that are nothing


class Mount:
    """A path on it."""

    def __init__(self, path: str, processor_time: Callable[[], float]) -> None:
        self._path = path
        self._processor_time = processor_time
        self._next = time.monotonic() + Limit.seconds
        self._look: Optional[Look] = None
        self._since = 0.0
        self._used = 0.0

    def silence(self) -> str:
        """Look in a child, without waiting; words when no answer comes while the tool stands still."""
        now = time.monotonic()
        if self._look is None:
            if self._path and now >= self._next:
                self._look = Look(lambda alive: _probe(self._path))
                self._since, self._used = now, self._processor_time()
            return ""
        if self._look.ended():
            self.close()
            self._next = now + Limit.seconds
            return ""
        timeout = _LOOK_LIMITS * Limit.seconds
        if now - self._since < timeout:
            return ""
        used = self._processor_time()
        if used - self._used > _IDLE_S:  # it does not need what is there, for now
            self._since, self._used = now, used
            return ""
        return f"{self._path} has not answered for {timeout:.0f} s, and the tool waits for it"

    def close(self) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.close()
            self._look = None


def _probe(path: str) -> None:
    os.statvfs(path)  # whatever the kernel remembers, this asks the server
    touch(path)
