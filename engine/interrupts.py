"""When a KeyboardInterrupt may be raised: never in the middle of what must end as a whole.

Python raises it between any two instructions, and so also after a transaction was begun and before the `with`
that ends it is entered. Its traceback then keeps the transaction open, with its lock, for as long as somebody
handles the interrupt, and whoever cancels a job because of it waits for himself.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

IMPATIENT_S = 1.0
"""Seconds after which a further signal interrupts all the same: a database may have ceased to answer. What is
sent twice at one moment is no further signal.
"""

_depth = 0
"""How many such blocks the main thread is in: Python handles signals there alone."""

_held: float | None = None
"""When the interrupt came that waits for their end."""


class Uninterrupted:
    """A block that ends before an interrupt is raised."""

    def __enter__(self) -> None:
        global _depth
        self._counts = threading.get_ident() == threading.main_thread().ident
        _depth += self._counts

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        global _depth, _held
        if not self._counts:
            return
        _depth -= 1
        if not _depth and _held is not None:
            _held = None
            raise KeyboardInterrupt


def interrupt() -> None:
    """Raise a KeyboardInterrupt, or have it raised by the end of what is not to be interrupted."""
    global _held
    if _depth and _held is None:
        _held = time.monotonic()
        return
    _held = None
    raise KeyboardInterrupt


def is_overdue() -> bool:
    """Say whether an interrupt has waited for long."""
    return _held is not None and time.monotonic() - _held > IMPATIENT_S
