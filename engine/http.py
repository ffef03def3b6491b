"""Requests to services over HTTP: a whole answer, limited in size and time, or the reason why there is none.

What a request shows (a header, a form) goes to the server of its URL alone, never to where a redirect leads.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

LARGEST = 1 << 20
"""Bytes of an answer."""
_PIECE = 64 << 10


class NoHttpAnswer(ConnectionError):
    """A service that does not answer, or not as it should; the text is the reason."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of a service, be it an error."""

    status: int
    content: bytes

    def fields(self) -> dict[str, Any] | None:
        """Return its JSON object; None where it has none."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def request(
    url: str,
    *,
    method: str | None = None,
    data: bytes | None = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    credential: str = "",
    context: ssl.SSLContext | None = None,
    timeout: float = 20.0,
    within: float = 600.0,
    largest: int = LARGEST,
    redirects: bool = False,
    direct: bool = False,
) -> HttpAnswer:
    """Ask a service; a form is sent by POST. `credential` is the value of `Authorization`; `timeout` are
    seconds without a byte, `within` those for all; `direct` passes by any proxy. Redirects are followed where
    `redirects` says so; else they are the answer.

    Raises:
        NoHttpAnswer: there is none, or it is too large or too slow.
    """
    body = urlencode(form).encode("ascii") if form is not None else data
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    handlers.append(_WebRedirects() if redirects else _NoRedirects())
    handlers += [urllib.request.ProxyHandler({})] if direct else []
    until = time.monotonic() + within
    try:
        fields = {"User-Agent": "boutiques-engine", **(headers or {})}
        asked = urllib.request.Request(url, body, fields, method=method)  # noqa: S310 - checked below
        if asked.type not in ("http", "https"):
            raise NoHttpAnswer(f"{asked.type} is not spoken")
        if credential:
            asked.add_unredirected_header("Authorization", credential)
        try:
            reply = urllib.request.build_opener(*handlers).open(asked, timeout=timeout)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            return HttpAnswer(reply.status, _whole(reply, until, largest))
    except NoHttpAnswer:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", None) or error
        raise NoHttpAnswer(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__) from None


def _whole(reply: Any, until: float, largest: int) -> bytes:
    """Read it to its end; byte by byte, a service would keep us for ever."""
    found = bytearray()
    while piece := reply.read1(_PIECE):
        found += piece
        if len(found) > largest:
            raise NoHttpAnswer(f"its answer has more than {largest} bytes")
        if time.monotonic() > until:
            raise NoHttpAnswer("its answer does not end")
    return bytes(found)


class _WebRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *given: Any) -> urllib.request.Request | None:
        """Follow it, unless it leads to something else than HTTP: then it is the answer."""
        following = super().redirect_request(*given)
        return following if following is not None and following.type in ("http", "https") else None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """None: the redirect is the answer."""
