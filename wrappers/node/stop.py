"""SIGTERM and SIGINT as the wish to end, raised only where an attempt can be left."""

import signal
from contextlib import contextmanager
from typing import Any, FrozenSet, Iterator

from wrappers.node.failure import CancelRequested

SIGNALS: FrozenSet[signal.Signals] = frozenset((signal.SIGTERM, signal.SIGINT))


class Stop:
    """Whether somebody asked for the end; `armed` sections are left by `Cancelled` at once."""

    def __init__(self) -> None:
        self.requested = False
        self._armed = False

    def install(self) -> None:
        """Take over the signals; they may be blocked until now."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.requested = True
        if self._armed:
            self._armed = False  # once: what cleans up afterwards must not be interrupted again
            raise CancelRequested

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Run a section that a request to stop interrupts.

        Raises:
            Cancelled: it was asked for, now or before.
        """
        self._armed = True
        try:
            if self.requested:
                raise CancelRequested
            yield
        finally:
            self._armed = False
