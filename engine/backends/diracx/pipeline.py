"""Requests to DiracX, through the asynchronous pipeline of diracx-client.

They are made by ourselves and sent through the client (`send_request`), because its generated methods know
one success code each: between 0.3 and 0.4 that of submission changed, and clients of one said that jobs were
not submitted, after they were (measured). Nothing is repeated behind our back: a submission that may have
arrived is looked for first.
"""

from __future__ import annotations

import asyncio
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backends.diracx.answers import unavailable
from engine.errors import BackendUnavailable, BadRequest
from engine.extras import remedy_for

if TYPE_CHECKING:
    from diracx.client.aio import AsyncDiracClient

NOBODY = Path("/dev/null/none")
"""A place without credentials: the client is given none, since the tokens are ours to keep."""


class RequestPipeline:
    """Connections to one server."""

    def __init__(self, url: str, authorities: str, timeout: float) -> None:
        """`timeout`: seconds for one answer."""
        self._url = url
        self._authorities = authorities
        self._timeout = timeout
        self._connected: tuple[AsyncDiracClient, _Library] | None = None
        self._connecting = threading.Lock()

    async def send(self, method: str, url: str, *, repeat: bool = True, **content: Any) -> Any:
        """Send a request and return the response, whatever its status. When the connection breaks, a request
        that may be made twice is: servers close connections that they have kept open, at any time.

        Raises:
            BackendUnavailable: there is none.
        """
        try:
            return await self._once(method, url, **content)
        except BackendUnavailable:
            if not repeat:
                raise
        return await self._once(method, url, **content)

    async def close(self) -> None:
        """Give back the connections."""
        if self._connected is not None:
            await self._connected[0].close()
            self._connected = None

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
                connection_timeout=self._timeout,
                read_timeout=self._timeout,
            )
            await response.read()
        except (TimeoutError, lib.AzureError, OSError) as error:
            raise unavailable(self._url, str(error) or type(error).__name__) from None
        return response

    def _connect(self) -> tuple[AsyncDiracClient, _Library]:
        """Make the client; it asks the server for its configuration first, blocking."""
        lib = _library()
        with self._connecting:
            if self._connected is None:
                preferences = lib.DiracxPreferences(url=self._url, credentials_path=NOBODY)
                try:
                    verify = self._authorities or True
                    api = lib.AsyncDiracClient(diracx_preferences=preferences, verify=verify)
                except Exception as error:  # whatever its HTTP library of the day raises
                    raise unavailable(self._url, str(error) or type(error).__name__) from None
                self._connected = api, lib
        return self._connected


class _Library:
    """The parts of diracx-client in use; loading it takes a third of a second: it waits until it is used."""

    def __init__(self) -> None:
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest
        from diracx.client.aio import AsyncDiracClient
        from diracx.core.preferences import DiracxPreferences

        self.AzureError = AzureError
        self.HttpRequest = HttpRequest
        self.AsyncDiracClient = AsyncDiracClient
        self.DiracxPreferences = DiracxPreferences


def require_library() -> None:
    """See that diracx-client is installed, without the time that loading it takes.

    Raises:
        BadRequest: it is not.
    """
    if find_spec("diracx") is None:
        raise BadRequest("diracx: the package diracx-client is missing", remedy=remedy_for("diracx"))


@cache
def _loaded() -> _Library:
    return _Library()


def _library() -> _Library:
    with _LOADING:  # two threads that load it together get half of it (its import hook; measured)
        return _loaded()


_LOADING = threading.Lock()
