"""Asking a DiracX server: blocking calls for the engine, over an event loop of our own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from engine.backends.diracx.answers import (
    DiracxAnswer,
    DiracxRefused,
    ServerClock,
    Unauthorised,
    judge,
    unavailable,
)
from engine.backends.diracx.credentials import AccessToken, TokenProvider
from engine.backends.diracx.pipeline import RequestPipeline, require_library
from engine.backends.diracx.renewal import refreshed
from engine.errors import CredentialExpired

_T = TypeVar("_T")

TIMEOUT_S = 20.0
"""Seconds for one answer: the engine's lease must outlast a few of them."""


class DiracxClient:
    """A client of one server, as one user. May be used by several threads."""

    def __init__(
        self,
        url: str,
        credential: Path,
        *,
        proxy: bool = False,
        authorities: str = "",
        timeout: float = TIMEOUT_S,
    ) -> None:
        self.url = url.rstrip("/")
        self.credentials = TokenProvider(
            credential, lambda token: refreshed(self.url, token, authorities, timeout), proxy=proxy
        )
        self._pipeline = RequestPipeline(self.url, authorities, timeout)
        self._clock = ServerClock()
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

    def call(self, method: str, path: str, body: Any = None, **query: str | int) -> DiracxAnswer:
        """`ask`, waited for."""
        return self.run(self.request(method, path, body, repeat=True, **query))

    def token(self) -> AccessToken:
        """Return who we are there.

        Raises:
            BadRequest: what asks the server is not installed; a credential would not help.
            CredentialExpired, BackendUnavailable: as for `TokenProvider.token`.
        """
        require_library()
        return self.credentials.token()

    def server_time(self) -> float:
        """Return what the server's clock says now; see `ServerClock`."""
        return self._clock.now()

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

    async def request(
        self, method: str, path: str, body: Any = None, *, repeat: bool = True, **query: str | int
    ) -> DiracxAnswer:
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
        except Unauthorised:
            token = await asyncio.to_thread(lambda: self.credentials.token(anew=True))
        try:
            return await self._send(method, path, token, content)
        except Unauthorised as error:
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
        response = await self._pipeline.send(method, url, **content)
        status = response.status_code
        if status >= 500 or status in (403, 408, 429):  # 403: the leave has run out
            raise unavailable(self.url, f"its sandbox store says HTTP {status}")
        if status >= 300:
            raise DiracxRefused(status, f"the sandbox store says HTTP {status}")
        data: bytes = response.content
        return data

    async def gather(
        self, works: Sequence[Callable[[], Awaitable[_T]]], at_once: int
    ) -> list[_T | BaseException]:
        """Do several things, so many at a time; what one raises is its result."""
        room = asyncio.Semaphore(at_once)

        async def one(work: Callable[[], Awaitable[_T]]) -> _T:
            async with room:
                return await work()

        return await asyncio.gather(*map(one, works), return_exceptions=True)

    async def _disconnect(self) -> None:
        await self._pipeline.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    async def _send(
        self, method: str, path: str, token: AccessToken, content: Mapping[str, Any]
    ) -> DiracxAnswer:
        headers = {"Authorization": f"Bearer {token.text}"}
        response = await self._pipeline.send(method, self.url + path, headers=headers, **content)
        return judge(self.url, self._clock, response.status_code, response.text(), response.headers)
