"""The HTTP server of `engine serve`, in a thread beside the reconciler.

uvicorn with h11, by its public settings only; docs/decisions/0012 says why. Clients that are slow, or too
many, are the business of the listening socket that it is given (`engine.api.connections`).
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from engine.api.connections import AcceptedConnections, Listener, Refused
from engine.api.rate_limited_log import RateLimitedLog
from engine.api.strict import LARGEST, Strict
from engine.api.timed import Timed
from engine.errors import SettingsError, Unavailable

GRACE_S = 10
"""Seconds that requests have to end when the server is stopped."""
_OTHER_FILES = 200
"""That the engine itself may have open."""
_OFFERS = ("Unsupported upgrade request", "No supported WebSocket library")


class HttpServer:
    """Listens from the moment it is made, answers from `start` to `stop`.

    `stall`, `least_rate`, `most` connections and `refused`: see `engine.api.connections`. `proxies`:
    addresses and networks whose `X-Forwarded-For` is believed. `beyond_loopback`: whether other machines may
    reach it, which without a proxy have no https, and no bound of requests in a second.

    Raises:
        SettingsError: `listen` is no address with a port, or not one of loopback though it must be.
        Unavailable: the port is taken, or the address is not one of this machine.
    """

    def __init__(
        self,
        app: Any,
        listen: str,
        stall: float = 60.0,
        least_rate: int = 0,
        refused: Refused = lambda client, status: None,
        *,
        most: int = 1000,
        proxies: Sequence[str] = (),
        beyond_loopback: bool = False,
    ) -> None:
        self._connections = AcceptedConnections(_as_many_as_files(most), stall, least_rate, refused)
        self._socket = _bind(listen, self._connections, beyond_loopback=beyond_loopback)
        behind = ProxyHeadersMiddleware(app, list(proxies)) if proxies else app
        config = uvicorn.Config(
            Timed(Strict(behind, refused), self._connections),
            http="h11",
            loop="asyncio",  # which accepts by the method of the socket
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=LARGEST,
            timeout_keep_alive=max(1, round(stall)),
            timeout_graceful_shutdown=GRACE_S,
        )
        logging.getLogger("uvicorn.error").addFilter(_quiet)
        self._loop = config.get_loop_factory()
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._run, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers on this machine."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Answer requests from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests, let those under way end, and wait for that."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        looking = asyncio.create_task(self._look())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(min(self._connections.stall / 8, 5.0))
            self._connections.look()


def _as_many_as_files(most: int) -> int:
    """So many connections, or as many as there can be: each may need a file besides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * most + _OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return most if soft == resource.RLIM_INFINITY else min(most, max(16, (soft - _OTHER_FILES) // 2))


def _bind(listen: str, connections: AcceptedConnections, *, beyond_loopback: bool) -> Listener:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise SettingsError(f"setting api.listen: {listen} is no ADDRESS:PORT", remedy="e.g. 127.0.0.1:8420")
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        if not beyond_loopback and not ip_address(address[0]).is_loopback:
            raise SettingsError(
                f"setting api.listen: {listen} is reached from other machines, without https",
                remedy="listen on 127.0.0.1 with a reverse proxy before it (docs/how-to/run-a-portal.md); "
                "where that is on another machine, set api.behind_proxy: true",
            )
        # said in full, or asyncio does not see that it is TCP, and small answers wait 40 ms for an ACK
        made = Listener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.connections = connections
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {listen}: {error.strerror}",
            remedy="set api.listen (ENGINE_API__LISTEN) to another port, or end what uses it",
        ) from None
    return made


class _Quiet(logging.Filter):
    """A filter for what clients can make the server say: once a minute, and no offers that are not taken."""

    def __init__(self) -> None:
        super().__init__()
        self._seldom = RateLimitedLog()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether it is written."""
        text = str(record.msg)
        if record.exc_info or record.levelno < logging.WARNING:
            return True
        return not text.startswith(_OFFERS) and self._seldom.due(text) is not None


_quiet = _Quiet()
