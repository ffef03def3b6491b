"""Work that takes long: apart, and so much of an account at a time."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from engine.api.long_work import LongWork
from engine.app.portal.carmin import CarminError


def test_an_account_has_so_much_of_it_at_a_time_and_others_theirs() -> None:
    go_on = Event()
    work = LongWork("checks", threads=2, each=1)

    async def asked() -> None:
        first = asyncio.create_task(work.do("ann", go_on.wait))
        await asyncio.sleep(0)
        with pytest.raises(CarminError, match="1 checks of yours are under way") as refused:
            await work.do("ann", bool)
        assert refused.value.status == 429
        assert await work.do("bob", lambda: "done") == "done"
        go_on.set()
        assert await first
        while True:  # the share is given back when the thread has ended
            try:
                assert await work.do("ann", lambda: "again") == "again"
                return
            except CarminError:
                await asyncio.sleep(0.01)

    asyncio.run(asked())


def test_what_a_client_does_not_wait_for_any_more_is_not_begun_and_takes_no_share() -> None:
    go_on, begun = Event(), Event()
    work = LongWork("plans", threads=1, each=2)

    async def asked() -> None:
        first = asyncio.create_task(work.do("ann", go_on.wait))
        second = asyncio.create_task(work.do("bob", begun.set))
        await asyncio.sleep(0.05)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go_on.set()
        await first
        assert await work.do("bob", lambda: 1) + await work.do("bob", lambda: 1) == 2
        assert not begun.is_set()

    asyncio.run(asked())


def test_what_the_work_raises_is_raised() -> None:
    async def asked() -> None:
        with pytest.raises(ZeroDivisionError):
            await LongWork("plans", threads=1, each=1).do("ann", lambda: 1 // 0)

    asyncio.run(asked())
