"""How much each execution (or account) keeps in the embedded storage, and whether more may come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


class QuotaExceeded(Exception):
    """The execution may not keep so much."""


@dataclass(slots=True, eq=False)
class _Measuring:
    """A measurement of how much lies there; others who want to know wait for the same answer."""

    result: Future[int] = field(default_factory=Future)
    came: int = 0
    """Bytes that came meanwhile: perhaps seen, perhaps not."""
    forgotten: bool = False
    """Something went meanwhile: whoever asks from now on needs a newer answer."""


class Quotas:
    """Bytes by execution (the first part of a path), or by account: what lies there, and what is on its way.

    What lies there is measured when an execution is first heard of, and once more before anything is refused:
    files may have gone by another way. Measuring takes long, and nobody else waits for it: no lock is held.
    """

    def __init__(self, most: Callable[[str], int | None], measure: Callable[[str], int]) -> None:
        self._most = most
        self._measure = measure
        self._lock = Lock()
        self._kept: dict[str, int] = {}
        self._coming: dict[str, int] = {}
        self._measuring: dict[str, list[_Measuring]] = {}

    @contextmanager
    def room(self, execution: str, *, limited: bool) -> Iterator[Callable[[int], None]]:
        """Give a function that asks for room for that many bytes more; they are given back at the end. The
        engine itself is not limited: it puts what has to be there. The function may block for long: call it
        in a thread. Entering and leaving do not.

        Raises:
            QuotaExceeded: by that function, when they are too many.
        """
        held, ended = 0, False

        def ask(size: int) -> None:
            nonlocal held
            if not limited:
                return
            self._must_fit(execution, size)
            with self._lock:
                if ended:  # nobody waits for the answer any more
                    self._release(execution, size)
                else:
                    held += size

        try:
            yield ask
        finally:
            with self._lock:
                ended = True
                self._release(execution, held)

    def changed(self, execution: str, by: int) -> None:
        """So many bytes came, or went when negative."""
        with self._lock:
            if execution in self._kept:
                self._kept[execution] += by
            for measuring in self._measuring.get(execution, ()):
                measuring.came += max(by, 0)

    def forget(self, *executions: str) -> None:
        """Have the bytes that lie there measured again."""
        with self._lock:
            for execution in executions:
                self._kept.pop(execution, None)
                for measuring in self._measuring.get(execution, ()):
                    measuring.forgotten = True

    def _must_fit(self, execution: str, size: int) -> None:
        most = self._most(execution)
        with self._lock:
            if self._reserve(execution, size, most, self._kept.get(execution)):
                return
        measured = self._measured(execution)
        with self._lock:
            if not self._reserve(execution, size, most, self._kept.get(execution, measured)):
                raise QuotaExceeded(f"no more than {most} bytes may be kept here")

    def _reserve(self, execution: str, size: int, most: int | None, kept: int | None) -> bool:
        """Say whether there is room; then it is taken. The lock is held."""
        coming = self._coming.get(execution, 0) + size
        if most is not None and (kept is None or kept + coming > most):
            return False
        self._coming[execution] = coming
        return True

    def _release(self, execution: str, size: int) -> None:
        """Give room back. The lock is held."""
        left = self._coming.pop(execution, 0) - size
        if left:
            self._coming[execution] = left

    def _measured(self, execution: str) -> int:
        """Measure what lies there now; whoever asks while it is being measured gets the same answer."""
        with self._lock:
            running = self._measuring.setdefault(execution, [])
            shared = next((one for one in running if not one.forgotten), None)
            measuring = shared or _Measuring()
            if shared is None:
                running.append(measuring)
        if shared is not None:
            return shared.result.result()
        try:
            size = self._measure(execution)
        except BaseException as error:
            self._ended(execution, measuring, None)
            measuring.result.set_exception(error)
            raise
        size = self._ended(execution, measuring, size)
        measuring.result.set_result(size)
        return size

    def _ended(self, execution: str, measuring: _Measuring, size: int | None) -> int:
        with self._lock:
            self._measuring[execution].remove(measuring)
            if not self._measuring[execution]:
                del self._measuring[execution]
            kept = (size or 0) + measuring.came
            if size is not None and not measuring.forgotten:
                self._kept[execution] = kept
            return kept


def has_no_room(quotas: Quotas, owners: Iterable[str], came: int = 0) -> str:
    """Why these may keep nothing more; empty: they may. `came`: bytes that came by another way."""
    for owner in owners:
        quotas.changed(owner, came)
        try:
            with quotas.room(owner, limited=True) as ask:
                ask(0 if came else 1)
        except QuotaExceeded as error:
            quotas.forget(owner)
            return str(error)
    return ""
