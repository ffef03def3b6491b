"""What a DiracX server answers: when, what, and what it means."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from engine.errors import BackendUnavailable, CredentialExpired

TICK, STALE = 0.001, 2.0
"""Seconds between two stamps, and by which the Date of an answer may be too early (measured: up to 1.5)."""


class DiracxRefused(Exception):
    """The server says that the request is wrong; it would say so again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Unauthorised(Exception):
    """The server does not accept the token."""


@dataclass(frozen=True, slots=True)
class DiracxAnswer:
    """An answer of the server."""

    data: Any
    at: float
    """When, by its own clock; seconds since 1970-01-01 UTC."""


class ServerClock:
    """The server's clock, as its answers tell it. Ours may be wrong by hours."""

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._stamped = 0.0

    def now(self) -> float:
        """Return what the server's clock says now, or a moment later; seconds since 1970-01-01 UTC.

        Never the same twice: of two changes, the later one must not be stamped before the first.
        """
        now = time.time() + (0.0 if self._ahead is None else self._ahead + STALE)
        self._stamped = max(now, self._stamped + TICK)
        return self._stamped

    def from_header(self, date: str) -> float:
        """Read the time of an answer. It is cut off to seconds, and servers renew it when they have time: the
        truth is later, and the greatest of several differences is the nearest.
        """
        now = time.time()
        at = _date(date)
        least = at - now
        if self._ahead is None or abs(least - self._ahead) > 5.0:  # the first, or somebody has set a clock
            self._ahead = least
        self._ahead = max(self._ahead, least)
        return at


def judge(url: str, clock: ServerClock, status: int, text: str, headers: Mapping[str, str]) -> DiracxAnswer:
    """Check an answer: every 2xx is a good one.

    Raises:
        Refused, Unauthorised: the request is wrong, or its token is.
        CredentialExpired: we may not do this.
        BackendUnavailable: the server has failed, or is something else than a DiracX server.
    """
    if 200 <= status < 300:
        at = clock.from_header(headers.get("Date", ""))
        try:
            return DiracxAnswer(json.loads(text) if text else None, at)
        except ValueError:
            raise unavailable(url, "its answer is no JSON: is this a DiracX server?") from None
    detail = detail_of(text) or f"HTTP {status}"
    if status == 401:
        raise Unauthorised(detail)
    if status == 403:
        raise CredentialExpired(
            f"DiracX at {url} does not allow this: {detail}",
            remedy="log in with a VO and group that may submit jobs (settings diracx.vo, diracx.group)",
        )
    if status >= 500 or status in (408, 425, 429):
        raise unavailable(url, detail, _seconds(headers.get("Retry-After", "")))
    raise DiracxRefused(status, detail)


def unavailable(url: str, why: str, again_in: float = 0.0) -> BackendUnavailable:
    """Make the error of a server that does not answer, in one line."""
    words = " ".join(why.split())[:300]
    return BackendUnavailable(f"DiracX at {url} does not answer: {words}", again_in=again_in)


def detail_of(text: str) -> str:
    """Read the server's own message, one line."""
    try:
        data = json.loads(text)
        found = data.get("detail", "") if isinstance(data, dict) else ""
    except ValueError:
        found = text
    return " ".join((found if isinstance(found, str) else json.dumps(found)).split())[:300]


def _date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return time.time()


def _seconds(text: str) -> float:
    """Retry-After (RFC 9110, 10.2.3)."""
    if text.isdecimal():  # to `isdigit` a superscript is a digit too
        return float(text)
    return max(0.0, _date(text) - time.time()) if text else 0.0
