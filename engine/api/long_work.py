"""Work of a request that may take long: in threads of its own, so that requests of others go on, and a few at
a time of an account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from engine.app.portal.carmin import CarminError, Code
from engine.app.shares import Shares

T = TypeVar("T")


class LongWork:
    """Threads for one kind of work."""

    def __init__(self, what: str, *, threads: int, each: int) -> None:
        """Make the threads. `what` names the work; `each` is how much of it an account may have at a time."""
        self._what = what
        self._each = each
        self._shares = Shares(each)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="long-work")

    async def do(self, account: str, work: Callable[[], T]) -> T:
        """Do it, and return what it gives. A client that goes away ends it only while it waits.

        Raises:
            CarminError: the account has enough of it under way.
        """
        if not self._shares.take(account):
            raise CarminError(
                Code.GENERIC, f"{self._each} {self._what} of yours are under way", status=429, retry_after=5
            )
        doing = self._threads.submit(copy_context().run, work)
        doing.add_done_callback(lambda _: self._shares.give_back(account))  # also of what never began
        return await asyncio.wrap_future(doing)
