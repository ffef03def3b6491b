"""How much each execution (or account) keeps in the embedded storage, and whether more may come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class QuotaExceeded(Exception):
    """The execution may not keep so much."""


class Quotas:
    """Bytes by execution (the first part of a path), or by account: what lies there, and what is on its way.

    What lies there is measured when an execution is first heard of, and once more before anything is refused:
    files may have gone by another way.
    """

    def __init__(self, most: Callable[[str], int | None], measure: Callable[[str], int]) -> None:
        self._most = most
        self._measure = measure
        self._lock = Lock()
        self._kept: dict[str, int] = {}
        self._coming: dict[str, int] = {}

    @contextmanager
    def room(self, execution: str, *, limited: bool) -> Iterator[Callable[[int], None]]:
        """Gives a function that asks for room for that many bytes more; they are given back at the end. The
        engine itself is not limited: it puts what has to be there.

        Raises:
            QuotaExceeded: by that function, when they are too many.
        """
        held = 0

        def ask(size: int) -> None:
            nonlocal held
            if not limited:
                return
            with self._lock:
                self._ask(execution, size)
                held += size

        try:
            yield ask
        finally:
            with self._lock:
                left = self._coming.get(execution, 0) - held
                self._coming[execution] = left
                if not left:
                    del self._coming[execution]

    def changed(self, execution: str, by: int) -> None:
        """So many bytes came, or went when negative."""
        with self._lock:
            if execution in self._kept:
                self._kept[execution] += by

    def forget(self, *executions: str) -> None:
        """What lies there has to be measured again."""
        with self._lock:
            for execution in executions:
                self._kept.pop(execution, None)

    def _ask(self, execution: str, size: int) -> None:
        most = self._most(execution)
        if most is not None:
            if execution not in self._kept:
                self._kept[execution] = self._measure(execution)
            if self._too_many(execution, size, most):
                self._kept[execution] = self._measure(execution)
                if self._too_many(execution, size, most):
                    raise QuotaExceeded(f"no more than {most} bytes may be kept here")
        self._coming[execution] = self._coming.get(execution, 0) + size

    def _too_many(self, execution: str, size: int, most: int) -> bool:
        return self._kept[execution] + self._coming.get(execution, 0) + size > most
