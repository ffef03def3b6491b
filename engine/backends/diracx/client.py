"""Asking a DiracX server: blocking calls for the engine, over diracx-client's asynchronous pipeline.

Requests are made by ourselves and sent through the client (`send_request`), because its generated methods
know one success code each: between 0.3 and 0.4 that of submission changed, and clients of one said that
jobs were not submitted, after they were (measured). Here every 2xx is a success. Nothing is repeated behind
our back: a submission that may have arrived is looked for first.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.backends.diracx.credentials import Credentials, Token
from engine.errors import BackendUnavailable, CredentialExpired

if TYPE_CHECKING:
    from diracx.client.aio import AsyncDiracClient

_T = TypeVar("_T")

log = logging.getLogger("engine.backends.diracx")

NOBODY = Path("/dev/null/none")
"""A place without credentials: the client is given none, since the tokens are ours to keep."""

PATIENCE = 20.0
"""Seconds for one answer: the engine's lease must outlast a few of them."""


TICK, STALE = 0.001, 2.0
"""Seconds between two stamps, and by which the Date of an answer may be too early (measured: up to 1.5)."""


class Refused(Exception):
    """The server says that the request is wrong; it would say so again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    data: Any
    at: float
    """When, by its own clock; seconds since 1970-01-01 UTC."""


class Client:
    """One server, as one user. May be used by several threads."""

    def __init__(
        self,
        url: str,
        credential: Path,
        *,
        proxy: bool = False,
        authorities: str = "",
        patience: float = PATIENCE,
    ) -> None:
        self.url = url.rstrip("/")
        self.credentials = Credentials(credential, self._refresh, proxy=proxy)
        self.authorities = authorities
        self.patience = patience
        self._ahead: float | None = None
        self._stamped = 0.0
        self._connected: tuple[AsyncDiracClient, _Library] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    # --- for callers that wait ---------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for some work on the client's own event loop."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="diracx", daemon=True)
                self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, method: str, path: str, body: Any = None, **query: str | int) -> Answer:
        """`ask`, waited for."""
        return self.run(self.ask(method, path, body, repeat=True, **query))

    def token(self) -> Token:
        """Who we are there."""
        return self.credentials.token()

    def server_time(self) -> float:
        """What the server's clock says now, or a moment later; seconds since 1970-01-01 UTC.

        Never the same twice: of two changes, the later one must not be stamped before the first.
        """
        now = time.time() + (0.0 if self._ahead is None else self._ahead + STALE)
        self._stamped = max(now, self._stamped + TICK)
        return self._stamped

    def close(self) -> None:
        """Give back the connections and the thread."""
        if self._loop is None or self._thread is None:
            return
        self.run(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    # --- on the event loop -------------------------------------------------------------------------

    async def ask(
        self, method: str, path: str, body: Any = None, *, repeat: bool = True, **query: str | int
    ) -> Answer:
        """One request with a JSON body. `repeat`: making it twice does no harm.

        Raises:
            Refused: 4xx; the request is wrong.
            CredentialExpired: nobody may ask, or we may not.
            BackendUnavailable: no answer, or the server has failed: it may have done what was asked.
        """
        token = await asyncio.to_thread(self.credentials.token)
        content = {"params": query, "json": body, "repeat": repeat}
        try:
            return await self._send(method, path, token, content)
        except _Unauthorised:
            token = await asyncio.to_thread(lambda: self.credentials.token(anew=True))
        try:
            return await self._send(method, path, token, content)
        except _Unauthorised as error:
            raise CredentialExpired(
                f"DiracX at {self.url} does not accept the token in {self.credentials.file}: {error}",
                remedy="log in with `engine login`, or `dirac login`",
            ) from None

    async def store(self, method: str, url: str, **content: Any) -> bytes:
        """One request to the sandbox store, with the leave that is in the URL and nothing else.

        Raises:
            Refused: the store says that the request is wrong.
            BackendUnavailable: it does not answer, or fails.
        """
        response = await self._pipeline(method, url, **content)
        status = response.status_code
        if status >= 500 or status in (403, 408, 429):  # 403: the leave has run out
            raise self._unavailable(f"its sandbox store says HTTP {status}")
        if status >= 300:
            raise Refused(status, f"the sandbox store says HTTP {status}")
        data: bytes = response.content
        return data

    async def together(
        self, works: Sequence[Callable[[], Awaitable[_T]]], at_once: int
    ) -> list[_T | BaseException]:
        """Do several things, so many at a time; what one raises is its result."""
        room = asyncio.Semaphore(at_once)

        async def one(work: Callable[[], Awaitable[_T]]) -> _T:
            async with room:
                return await work()

        return await asyncio.gather(*map(one, works), return_exceptions=True)

    async def _disconnect(self) -> None:
        if self._connected is not None:
            await self._connected[0].close()
            self._connected = None
        await asyncio.get_running_loop().shutdown_default_executor()

    async def _send(self, method: str, path: str, token: Token, content: Mapping[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {token.text}"}
        response = await self._pipeline(method, self.url + path, headers=headers, **content)
        return self._judge(response.status_code, response.text(), response.headers)

    async def _pipeline(self, method: str, url: str, *, repeat: bool = True, **content: Any) -> Any:
        """The response, whatever its status. When the connection breaks, a request that may be made twice
        is: servers close connections that they have kept open, at any time.
        """
        try:
            return await self._once(method, url, **content)
        except BackendUnavailable:
            if not repeat:
                raise
        return await self._once(method, url, **content)

    async def _once(self, method: str, url: str, **content: Any) -> Any:
        connected = self._connected
        if connected is None:
            connected = await asyncio.to_thread(self._connect)
        api, lib = connected
        try:
            response = await api.send_request(
                lib.HttpRequest(method, url, **content),
                stream=True,  # else the client parses what it thinks that it is
                retry_total=0,
                connection_timeout=self.patience,
                read_timeout=self.patience,
            )
            await response.read()
        except (TimeoutError, lib.AzureError, OSError) as error:
            raise self._unavailable(str(error) or type(error).__name__) from None
        return response

    def _judge(self, status: int, text: str, headers: Mapping[str, str]) -> Answer:
        if 200 <= status < 300:
            at = self._told_time(headers.get("Date", ""))
            try:
                return Answer(json.loads(text) if text else None, at)
            except ValueError:
                raise self._unavailable("its answer is no JSON: is this a DiracX server?") from None
        detail = _detail(text) or f"HTTP {status}"
        if status == 401:
            raise _Unauthorised(detail)
        if status == 403:
            raise CredentialExpired(
                f"DiracX at {self.url} does not allow this: {detail}",
                remedy="log in with a VO and group that may submit jobs (settings diracx.vo, diracx.group)",
            )
        if status >= 500 or status in (408, 425, 429):
            raise self._unavailable(detail, _seconds(headers.get("Retry-After", "")))
        raise Refused(status, detail)

    def _told_time(self, date: str) -> float:
        """The time of an answer. It is cut off to seconds, and servers renew it when they have time: the
        truth is later, and the greatest of several differences is the nearest.
        """
        now = time.time()
        at = _date(date)
        least = at - now
        if self._ahead is None or abs(least - self._ahead) > 5.0:  # the first, or somebody has set a clock
            self._ahead = least
        self._ahead = max(self._ahead, least)
        return at

    def _connect(self) -> tuple[AsyncDiracClient, _Library]:
        """The client; it asks the server for its configuration first, blocking."""
        lib = _library()
        with self._starting:
            if self._connected is None:
                preferences = lib.DiracxPreferences(url=self.url, credentials_path=NOBODY)
                try:
                    verify = self.authorities or True
                    api = lib.AsyncDiracClient(diracx_preferences=preferences, verify=verify)
                except Exception as error:  # whatever its HTTP library of the day raises
                    raise self._unavailable(str(error) or type(error).__name__) from None
                self._connected = api, lib
        assert self._connected is not None  # noqa: S101  # else there was trouble
        return self._connected

    def _refresh(self, refresh_token: str) -> Mapping[str, Any]:
        """The token end point's answer (RFC 6749, 6)."""
        words = {
            "client_id": "myDIRACClientID",  # the one that every installation knows
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
        }
        data = urllib.parse.urlencode(words).encode()
        request = urllib.request.Request(f"{self.url}/api/auth/token", data)  # noqa: S310  # http(s), by settings
        trusted = ssl.create_default_context(cafile=self.authorities or None)
        try:
            with urllib.request.urlopen(  # noqa: S310  # the same
                request, timeout=self.patience, context=trusted
            ) as answer:
                found: Mapping[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                why = _detail(error.read().decode(errors="replace")) or f"HTTP {error.code}"
            if error.code >= 500:
                raise self._unavailable(f"no new token: {why}") from None
            raise CredentialExpired(
                f"DiracX at {self.url} does not renew the session: {why}",
                remedy="log in with `engine login`, or `dirac login`",
            ) from None
        except (OSError, ValueError) as error:
            raise self._unavailable(f"no new token: {error}") from None

    def _unavailable(self, why: str, again_in: float = 0.0) -> BackendUnavailable:
        words = " ".join(why.split())[:300]
        return BackendUnavailable(f"DiracX at {self.url} does not answer: {words}", again_in=again_in)


class _Library:
    """What is used of diracx-client; loading it takes a third of a second, so it waits until it is needed."""

    def __init__(self) -> None:
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest
        from diracx.client.aio import AsyncDiracClient
        from diracx.core.preferences import DiracxPreferences

        self.AzureError = AzureError
        self.HttpRequest = HttpRequest
        self.AsyncDiracClient = AsyncDiracClient
        self.DiracxPreferences = DiracxPreferences


@cache
def _loaded() -> _Library:
    return _Library()


def _library() -> _Library:
    with _LOADING:  # two threads that load it together get half of it (its import hook; measured)
        return _loaded()


_LOADING = threading.Lock()


class _Unauthorised(Exception):
    """The server does not accept the token."""


def _detail(text: str) -> str:
    """The server's own words, one line."""
    try:
        data = json.loads(text)
        found = data.get("detail", "") if isinstance(data, dict) else ""
    except ValueError:
        found = text
    return " ".join((found if isinstance(found, str) else json.dumps(found)).split())[:300]


def _date(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return time.time()


def _seconds(text: str) -> float:
    """Retry-After (RFC 9110, 10.2.3)."""
    if text.isdigit():
        return float(text)
    return max(0.0, _date(text) - time.time()) if text else 0.0
