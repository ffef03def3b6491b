"""Trying all replicas of a file, or all destinations for it: one try each, then again after a pause.

Breadth first: with one dead and one good replica that takes one stall, not as many as there are rounds.
"""

import random
import time
from typing import Callable, Dict, List, NamedTuple, Sequence, TypeVar

from wrappers import wire
from wrappers.backoff import Backoff
from wrappers.transfer.breaker import Breaker
from wrappers.transfer.budget import Budget
from wrappers.transfer.errors import OutOfTime, TransferError, Transient
from wrappers.transfer.redact import redact

_T = TypeVar("_T")
_SLOWEST_S = 60.0  # seconds: the longest pause of our own choice


class Pace(NamedTuple):
    """The number of rounds, and the pauses between them."""

    rounds: int = 3
    base: float = 2.0  # seconds: pauses are drawn from 0 to base * 2**round

    def pause(self, number: int) -> float:
        """Seconds before round `number` (from 1): full jitter, so that many jobs do not come back at once."""
        return random.uniform(0.0, Backoff(self.base, _SLOWEST_S).pause(number - 1))  # noqa: S311 - no secret depends on it


class Exhausted(TransferError):
    """No URL would do; `hopeless` when every one of them failed for good."""

    def __init__(self, message: str, hopeless: bool) -> None:
        super().__init__(message)
        self.hopeless = hopeless


class Rounds:
    """Tries URLs. Shared by threads."""

    def __init__(self, pace: Pace, budget: Budget, breaker: Breaker) -> None:
        self._pace = pace
        self._budget = budget
        self._breaker = breaker

    def first(
        self,
        urls: Sequence[str],
        attempt: Callable[[str], _T],
        size: Callable[[], int],
        tried: List[wire.Tried],
    ) -> _T:
        """Return the result of the first attempt that goes well; each is noted in `tried`, with the bytes by
        which `size` grew.

        Raises:
            Exhausted: no URL would do. OutOfTime: the budget is spent.
            OSError: there is trouble on this machine, which no storage can help.
        """
        live = list(dict.fromkeys(urls))
        until: Dict[str, float] = {}
        for number in range(max(1, self._pace.rounds) if live else 0):
            if number:
                self._budget.pause(self._pace.pause(number))
            for url in self._ready(live, until):
                started, before, error = time.monotonic(), size(), ""
                try:
                    result = attempt(url)
                    self._breaker.succeeded(url)
                    return result
                except OutOfTime as trouble:
                    error = str(trouble)
                    raise
                except Transient as trouble:
                    error = str(trouble)
                    self._breaker.failed(url)
                    until[url] = time.monotonic() + trouble.retry_after
                except TransferError as trouble:
                    error = str(trouble)
                    live.remove(url)
                except BaseException as trouble:
                    error = redact(str(trouble)) or type(trouble).__name__
                    raise
                finally:
                    seconds = round(time.monotonic() - started, 3)
                    tried.append(wire.Tried(redact(url), seconds, size() - before, error))
            if not live:
                break
        raise Exhausted(_reasons(tried), not live)

    def _ready(self, live: List[str], until: Dict[str, float]) -> List[str]:
        """Choose the URLs for this round: those that want to be left alone have their turn in a later one,
        unless they are all there is: then the first to be ready is waited for.
        """
        now = time.monotonic()
        waits = {url: max(self._breaker.wait(url), until.get(url, 0.0) - now) for url in live}
        ready = [url for url in live if waits[url] <= 0]
        if ready:
            return ready
        soonest = min(live, key=lambda url: waits[url])
        self._budget.pause(waits[soonest])
        return [soonest]


def _reasons(tried: List[wire.Tried]) -> str:
    """Why, in one line: the last error of each URL."""
    last = {one.url: one.error for one in tried}
    return "; ".join(error for error in last.values() if error) or "there is no URL to try"
