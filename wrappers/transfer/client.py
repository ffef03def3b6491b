"""HTTP requests over connections that are kept: redirects, `Expect: 100-continue`, nothing without an end."""

import abc
import threading
import time
from typing import Any, Dict, Iterable, Optional, Set, Tuple
from urllib.parse import urljoin, urlsplit

from wrappers.transfer.addresses import NOBODY, Access, Origin, carried, normal, origin_of
from wrappers.transfer.budget import Budget
from wrappers.transfer.connection import Connection
from wrappers.transfer.connections import Connections
from wrappers.transfer.errors import PROXY, Cut, Permanent, Transient
from wrappers.transfer.proxies import HttpProxy
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust

__all__ = ["NOBODY", "Access", "Body", "Bytes", "HttpClient"]

AGENT = "boutiques-engine"
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 6
_EXPECT_OVER = 1 << 20  # bytes: smaller bodies are sent unasked, which saves a round trip
_EXPECT_FOR_S = 5.0  # seconds to wait for "100 Continue"; servers that do not know it never say it
RESTART_S = 0.5  # seconds in which a server that died is started again
_REST_S = 0.1
"""Seconds for which a connection is left alone over which an XRootD has told a checksum. Version 5.5.3
computes it in another thread than it reads the connection in: when that is quick (a small file) and the next
request, or the end, comes at once, then about one time in a hundred it crashes, or never answers."""
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "OPTIONS")


class Body(abc.ABC):
    """The body of a request: it can be sent again from its start."""

    size: int

    @abc.abstractmethod
    def pieces(self) -> Iterable[Any]:
        """Yield the bytes, from the start."""


class Bytes(Body):
    """A small body."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def pieces(self) -> Iterable[Any]:
        """Yield the bytes, from the start."""
        return [self._data] if self._data else []


class HttpClient:
    """A maker of requests. Shared by threads; each connection is used by one at a time."""

    def __init__(self, budget: Budget, trust: Optional[Trust] = None, keep_tls: bool = False) -> None:
        """Make no connection yet. With `keep_tls` a redirect from https to http is refused."""
        self.budget = budget
        self._keep_tls = keep_tls
        self._connections = Connections(budget, trust or Trust())
        self._asks: Set[Origin] = set()  # servers that want to be asked before a body is sent
        self._silent: Set[Origin] = set()  # servers that tell no checksums
        self._deaf: Set[Origin] = set()  # servers that never say "100 Continue"
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every idle connection, and wake up whoever waits on a busy one."""
        self._connections.close()

    def note_no_checksum(self, url: str) -> None:
        """Remember that the server of this URL tells no checksums."""
        with self._lock:
            self._silent.add(origin_of(normal(url)))

    def gives_no_checksum(self, url: str) -> bool:
        """Say whether that is known of the server."""
        return origin_of(normal(url)) in self._silent

    def request(
        self,
        method: str,
        url: str,
        headers: Optional[Dict[str, str]] = None,
        body: Optional[Body] = None,
        access: Access = NOBODY,
        follow: bool = True,
    ) -> Response:
        """Return the final answer, whatever its status, after redirects: these keep the method and the body,
        which must hold no secret when they are followed.

        Raises:
            TransferError: there is no answer.
        """
        given = dict(headers or {})
        wanted = normal(url)
        target, shown = wanted, access
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._with_reconnect(method, target, given, body, shown)
            location = answer.headers.get("location")
            if not follow or answer.status not in _REDIRECTS or not location:
                return answer
            answer.close()
            if body is not None:
                with self._lock:
                    self._asks.add(origin_of(target))
            before, target = target, normal(urljoin(target, location))
            if self._keep_tls and before.startswith("https:") and not target.startswith("https:"):
                raise Permanent(f"{before}: redirects to http://, which is not followed")
            shown = carried(wanted, target, access)
        raise Permanent(f"{url}: more than {_MOST_REDIRECTS} redirects")

    def _with_reconnect(
        self, method: str, url: str, headers: Dict[str, str], body: Optional[Body], access: Access
    ) -> Response:
        """One request; again when a kept connection turns out to be closed, and once more after a pause when
        the server was lost in the middle: whoever watches over it has started it again by then. Only what may
        be repeated (RFC 9110, 9.2.2).
        """
        origin = origin_of(url)
        lost = paused = False
        while True:
            connection: Optional[Connection] = None
            try:
                connection = self._connections.take(origin, access.certificate)
                return self._exchange(connection, method, url, headers, body, access)
            except BaseException as error:
                if connection is not None:
                    self._connections.give(connection, False)
                lost = lost or isinstance(error, Cut)
                kept = connection is not None and connection.used > 0
                again = kept or (lost and not paused and (connection is None or isinstance(error, Cut)))
                if not (again and isinstance(error, Transient) and method in _REPEATABLE):
                    raise
            if not kept:
                paused = True
                self.budget.pause(RESTART_S)
            self.budget.check()

    def _exchange(
        self,
        connection: Connection,
        method: str,
        url: str,
        headers: Dict[str, str],
        body: Optional[Body],
        access: Access,
    ) -> Response:
        origin = origin_of(url)
        ask = body is not None and origin not in self._deaf
        ask = ask and (body.size > _EXPECT_OVER or origin in self._asks)  # type: ignore[union-attr]
        fields = {**headers, **access.headers}
        connection.send(_head(method, url, fields, body, ask, connection.proxy))
        status, found, unsent = self._interim(connection, origin) if ask else (100, {}, False)
        if body is not None and status == 100:
            try:
                for piece in body.pieces():
                    connection.send(piece)
            except Transient:
                if not connection.readable(0.5):  # it may have said why before it closed
                    raise
                unsent = True
        while 100 <= status < 200:
            status, found = connection.head()
        if connection.proxy is not None:
            found[PROXY] = str(connection.proxy)

        def release(one: Connection, reuse: bool) -> None:
            one.used += 1
            if "Want-Digest" in headers and found.get("server", "").startswith("XrootD/"):
                one.rests_until = time.monotonic() + _REST_S
            asked_to_close = headers.get("Connection") == "close"  # not every server says that it will
            self._connections.give(one, reuse and not unsent and not asked_to_close)

        return Response(url, status, found, connection, release, method == "HEAD")

    def _interim(self, connection: Connection, origin: Origin) -> Tuple[int, Dict[str, str], bool]:
        """Wait for leave to send the body: 100, or a final status; whether the body stays unsent."""
        if not connection.readable(min(_EXPECT_FOR_S, self.budget.read_timeout())):
            with self._lock:
                self._deaf.add(origin)
            return 100, {}, False
        status, found = connection.head()
        return status, found, status != 100


def _head(
    method: str,
    url: str,
    headers: Dict[str, str],
    body: Optional[Body],
    ask: bool,
    proxy: Optional[HttpProxy] = None,
) -> bytes:
    parts = urlsplit(url)
    target = f"{parts.path}{'?' + parts.query if parts.query else ''}"
    lines = [f"{method} {url if proxy else target} HTTP/1.1"]
    fields = {"Host": parts.netloc, "User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    if proxy and proxy.authorization:
        fields["Proxy-Authorization"] = proxy.authorization
    fields.update(headers)
    if body is not None:
        fields["Content-Length"] = str(body.size)
    elif method in ("POST", "MKCOL", "MOVE", "PUT"):
        fields["Content-Length"] = "0"
    if ask:
        fields["Expect"] = "100-continue"
    for name, value in fields.items():
        if any(mark in name + value for mark in "\r\n\0"):
            raise Permanent(f"{url}: the header {name} holds a line break")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
