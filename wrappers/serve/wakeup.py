"""What wakes a sleeping server: the engine's FIFO, a signal, a child."""

import os
import select
import signal
from typing import Iterable


class WakeUp:
    """Sleeps until something rings; the signals' own handlers stay in force."""

    def __init__(self, fifo: str) -> None:
        # Open for both: with no writer left, a FIFO open for reading alone is always "ready".
        self._fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._signalled, self._mouth = os.pipe()
        for end in (self._signalled, self._mouth):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._mouth)

    def wait(self, timeout: float, others: Iterable[int]) -> bool:
        """Sleep until anything rings, at most `timeout` seconds; gives whether it was the FIFO."""
        poll = select.poll()
        for descriptor in (self._fifo, self._signalled, *others):
            poll.register(descriptor, select.POLLIN)
        rung = {descriptor for descriptor, _ in poll.poll(timeout * 1000)}
        for descriptor in rung & {self._fifo, self._signalled}:
            _drain(descriptor)
        return self._fifo in rung

    def close(self) -> None:
        """Stop listening: whoever opens the FIFO for writing from now on learns that nobody is there."""
        signal.set_wakeup_fd(-1)
        for descriptor in (self._fifo, self._signalled, self._mouth):
            os.close(descriptor)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except BlockingIOError:
        pass
