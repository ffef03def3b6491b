"""Room in the storage: counted once, measured by one, and nobody else waits for that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue

import pytest

from engine.app.portal.quotas import QuotaExceeded, Quotas

LONG = 60
"""Seconds after which something that should come has not."""


class Walk:
    """Measures as slowly as a test wants: each walk ends when it is told its answer."""

    def __init__(self) -> None:
        self.begun: Queue[str] = Queue()
        self.answers: Queue[int] = Queue()

    def __call__(self, owner: str) -> int:
        if owner == "quick":
            return 0
        self.begun.put(owner)
        return self.answers.get(timeout=LONG)


@pytest.fixture
def walk() -> Walk:
    return Walk()


@pytest.fixture
def quotas(walk: Walk) -> Quotas:
    return Quotas(lambda _: 100, walk)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def ask(quotas: Quotas, owner: str, size: int) -> None:
    with quotas.room(owner, limited=True) as more:
        more(size)


def test_nobody_else_waits_while_one_is_measured(
    quotas: Quotas, walk: Walk, threads: ThreadPoolExecutor
) -> None:
    asked = threads.submit(ask, quotas, "slow", 10)
    walk.begun.get(timeout=LONG)

    def others() -> None:
        ask(quotas, "quick", 10)
        quotas.changed("quick", 10)
        quotas.changed("slow", 0)
        quotas.forget("other")

    threads.submit(others).result(LONG)
    assert not asked.done()
    walk.answers.put(0)
    asked.result(LONG)


def test_who_asks_meanwhile_gets_the_answer_of_the_same_walk(
    quotas: Quotas, walk: Walk, threads: ThreadPoolExecutor
) -> None:
    asked: list[Future[None]] = [threads.submit(ask, quotas, "slow", 10) for _ in range(4)]
    walk.begun.get(timeout=LONG)
    walk.answers.put(50)
    for one in asked:
        one.result(LONG)
    assert walk.begun.empty()


def test_what_arrives_while_it_is_measured_counts(
    quotas: Quotas, walk: Walk, threads: ThreadPoolExecutor
) -> None:
    asked = threads.submit(ask, quotas, "slow", 10)
    walk.begun.get(timeout=LONG)
    quotas.changed("slow", 60)
    walk.answers.put(35)
    with pytest.raises(QuotaExceeded):
        asked.result(LONG)


def test_a_walk_that_began_before_something_went_is_no_answer_for_who_asks_after(
    quotas: Quotas, walk: Walk, threads: ThreadPoolExecutor
) -> None:
    early = threads.submit(ask, quotas, "slow", 10)
    walk.begun.get(timeout=LONG)
    quotas.forget("slow")
    late = threads.submit(ask, quotas, "slow", 10)
    walk.begun.get(timeout=LONG)
    for size in (50, 50):
        walk.answers.put(size)
    early.result(LONG)
    late.result(LONG)


def test_a_storage_that_cannot_be_measured_is_measured_again() -> None:
    sizes: Iterator[OSError | int] = iter([OSError("gone"), 0])

    def measure(_: str) -> int:
        size = next(sizes)
        if isinstance(size, OSError):
            raise size
        return size

    quotas = Quotas(lambda _: 100, measure)
    with pytest.raises(OSError, match="gone"):
        ask(quotas, "a", 1)
    ask(quotas, "a", 100)


def test_an_answer_that_comes_after_its_upload_has_ended_takes_no_room(
    quotas: Quotas, walk: Walk, threads: ThreadPoolExecutor
) -> None:
    with quotas.room("slow", limited=True) as more:
        asked = threads.submit(more, 60)
        walk.begun.get(timeout=LONG)
    walk.answers.put(0)
    asked.result(LONG)
    ask(quotas, "slow", 60)
