"""The HTTP server of `engine serve`, in a thread beside the reconciler."""

from __future__ import annotations

import asyncio
import socket
from threading import Thread
from typing import Any

import uvicorn

from engine.api.patience import Refused, patient
from engine.errors import SettingsError, Unavailable

GRACE = 10
"""Seconds that requests have to end when the server is stopped."""


class HttpServer:
    """Listens from the moment it is made, answers from `start` to `stop`. `stall`, `least_rate` and
    `refused`: see `engine.api.patience`.

    Raises:
        SettingsError: `listen` is no address with a port.
        Unavailable: the port is taken, or the address is not one of this machine.
    """

    def __init__(
        self,
        app: Any,
        listen: str,
        stall: float = 60.0,
        least_rate: int = 0,
        refused: Refused = lambda client, status: None,
    ) -> None:
        self._socket = _bind(listen)
        config = uvicorn.Config(
            app,
            http=patient(stall, least_rate, refused),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
        self._loop = config.get_loop_factory()  # uvloop, which costs less for each request
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
            runner.run(self._server.serve(sockets=[self._socket]))


def _bind(listen: str) -> socket.socket:
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise SettingsError(f"setting api.listen: {listen} is no ADDRESS:PORT", remedy="e.g. 127.0.0.1:8420")
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # said in full, or asyncio does not see that it is TCP, and small answers wait 40 ms for an ACK
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(2048)
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {listen}: {error.strerror}",
            remedy="set api.listen (ENGINE_API__LISTEN) to another port, or end what uses it",
        ) from None
    return made
