"""Time: one hard budget for all transfers together, and a limit for silence."""

import threading
import time

from wrappers.transfer.errors import OutOfTime

_CONNECT_S = 30.0  # seconds at most for a connection to be made


class Budget:
    """The time that all may take, and for which nothing may happen. Shared by threads."""

    def __init__(self, seconds: float, stall: float = 60.0, connect: float = _CONNECT_S) -> None:
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._stall = stall
        self._connect = connect
        self._stopped = threading.Event()

    def seconds_left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._deadline - time.monotonic())

    def stop(self) -> None:
        """Have every transfer end soon with `OutOfTime`."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for the end."""
        return self._stopped.is_set()

    def check(self) -> None:
        """Check that there is time left.

        Raises:
        OutOfTime: the time is over.
        """
        if self._stopped.is_set():
            raise OutOfTime("stopped")
        if time.monotonic() >= self._deadline:
            raise OutOfTime(f"the {self._seconds:g} s for transfers are over")

    def read_timeout(self) -> float:
        """Seconds to wait for the next byte.

        Raises:
            OutOfTime: the time is over.
        """
        self.check()
        return min(self._stall, max(0.01, self.seconds_left()))

    def connect_timeout(self) -> float:
        """Seconds to wait for a connection.

        Raises:
            OutOfTime: the time is over.
        """
        return min(self._connect, self.read_timeout())

    def pause(self, seconds: float) -> None:
        """Wait; a `stop` ends it early.

        Raises:
            OutOfTime: the time is over, or would be before the pause ends.
        """
        self.check()
        short = seconds >= self.seconds_left()
        self._stopped.wait(min(seconds, self.seconds_left()))
        if short:
            raise OutOfTime(f"the {self._seconds:g} s for transfers are over")
        self.check()
