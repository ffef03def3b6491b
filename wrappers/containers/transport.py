"""Requests to registries, with patience and authentication.

A request is repeated after a lost connection, 429 or 5xx, of the registry or its token service, with waits
that grow and jitter, or as long as Retry-After says. What waiting does not mend ends at once: TLS, refusals.
"""

import random
import time
import urllib.parse
from typing import Callable, Dict, NamedTuple, Optional

from wrappers.backoff import Backoff
from wrappers.containers import challenges
from wrappers.containers.credentials import Login
from wrappers.containers.errors import Distrusted, RegistryDown, UnsuitableNode
from wrappers.containers.tokens import ServiceAnswer, Visitor
from wrappers.transfer.addresses import NOBODY, Access
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import HttpClient
from wrappers.transfer.errors import (
    NodeMisconfigured,
    Permanent,
    TransferError,
    UntrustedServer,
    retry_after,
)
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust

__all__ = ["RetryBudget", "TransferError", "Transport"]

_BUSY = (408, 429, 500, 502, 503, 504)


class RetryBudget(NamedTuple):
    """A limit of tries and pauses."""

    tries: int = 6
    first_wait: float = 1.0  # seconds; doubled each time
    longest_wait: float = 60.0  # seconds; a longer Retry-After is not waited for
    timeout: float = 60.0  # seconds without a byte


class _Later(Exception):
    """Another try may go well, after as many seconds."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class Transport:
    """GET requests to one registry or mirror."""

    def __init__(
        self,
        base: str,
        login: Optional[Login] = None,
        retry_budget: RetryBudget = RetryBudget(),  # noqa: B008 - immutable
        sleep: Callable[[float], None] = time.sleep,
        trust: Optional[Trust] = None,
        kind: str = "registry",
    ) -> None:
        self.base = base.rstrip("/")
        self.host = urllib.parse.urlsplit(base).netloc
        self._named = f"{kind} {self.host}"
        self.retry_budget = retry_budget
        self._sleep = sleep
        self._access: Dict[str, Access] = {}  # by scope: a token is good for one repository
        silence = retry_budget.timeout
        self._client = HttpClient(Budget(float("inf"), silence, silence), trust, keep_tls=True)
        self._visitor = Visitor(self._client, self.base, login)

    def get(self, path: str, scope: str, headers: Optional[Dict[str, str]] = None) -> Response:
        """Get a path below the base address; the status of the answer is below 300, 404 or 416.

        Raises:
            AccessDenied: credentials are missing or refused.
            RegistryDown: no usable answer after all tries, or one that no further try would better.
            UnsuitableNode: this machine's authorities or proxies are set wrongly.
        """
        sent = {"Connection": "close", **(headers or {})}  # nobody closes a transport
        for attempt in range(self.retry_budget.tries):
            last = attempt + 1 == self.retry_budget.tries
            try:
                return self._once(self.base + path, scope, sent)
            except NodeMisconfigured as error:
                raise UnsuitableNode(str(error)) from None
            except UntrustedServer as error:
                raise Distrusted(f"{self._named} cannot be trusted: {error}") from None
            except TransferError as error:
                if last or isinstance(error, Permanent):
                    raise RegistryDown(f"{self._named} cannot be reached: {error}", error.limit) from None
                self.wait(attempt)
            except _Later as later:
                if last or later.seconds > self.retry_budget.longest_wait:
                    raise RegistryDown(str(later)) from None
                self.wait(attempt, later.seconds)
        raise RegistryDown(f"{self._named} does not answer")

    def wait(self, attempt: int, at_least: float = 0.0) -> None:
        """Pause before the try after number `attempt`; many nodes must not come back together."""
        planned = Backoff(self.retry_budget.first_wait, self.retry_budget.longest_wait).pause(attempt)
        self._sleep(max(at_least, planned) * random.uniform(1.0, 1.5))  # noqa: S311 - jitter, not a secret

    def _once(self, url: str, scope: str, headers: Dict[str, str]) -> Response:
        answer = self._client.request("GET", url, headers, access=self._access.get(scope, NOBODY))
        if answer.status == 401:
            answer.close()
            try:
                asked = challenges.parse(answer.headers.get("www-authenticate", ""))
                self._access[scope] = self._visitor.answer(asked, scope)
            except ServiceAnswer as service:
                raise _unusable(f"{service} of {self._named}", service.answer) from None
            answer = self._client.request("GET", url, headers, access=self._access[scope])
        if answer.status < 300 or answer.status in (404, 416):
            return answer
        answer.close()
        if answer.status in (401, 403):
            self._access.pop(scope, None)
            raise self._visitor.denied()
        raise _unusable(self._named, answer)


def _unusable(who: str, answer: Response) -> Exception:
    """Choose what to raise for a status that is neither an answer nor a refusal."""
    status = f"(status {answer.status}{answer.by})"
    if answer.status not in _BUSY:
        return RegistryDown(f"{who} answers with status {answer.status}{answer.by}")
    what = "allows no more requests now" if answer.status == 429 else "is out of order"
    return _Later(f"{who} {what} {status}", retry_after(answer.headers.get("retry-after", "")))
