"""HTTP requests over connections that are kept: redirects, `Expect: 100-continue`, nothing without an end."""

import threading
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple
from urllib.parse import urljoin, urlsplit

from wrappers.transfer.addresses import NOBODY, Access, Origin, carried, normal, origin_of
from wrappers.transfer.budget import Budget
from wrappers.transfer.connection import Connection, Key, connect
from wrappers.transfer.errors import Permanent, Transient
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust

__all__ = ["NOBODY", "Access", "Body", "Bytes", "Client"]

_AGENT = "grid-engine"
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 6
_KEPT = 16  # idle connections to one server
_EXPECT_OVER = 1 << 20  # bytes: smaller bodies are sent unasked, which saves a round trip
_EXPECT_FOR = 5.0  # seconds to wait for "100 Continue"; servers that do not know it never say it
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "OPTIONS")


class Body:
    """What is sent: it can be sent again from its start."""

    size: int

    def pieces(self) -> Iterable[Any]:
        """The bytes, from the start."""
        raise NotImplementedError


class Bytes(Body):
    """A small body."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def pieces(self) -> Iterable[Any]:
        """The bytes, from the start."""
        return [self._data] if self._data else []


class Client:
    """Makes requests. Shared by threads; each connection is used by one at a time."""

    def __init__(self, budget: Budget, trust: Optional[Trust] = None) -> None:
        self.budget = budget
        self._trust = trust or Trust()
        self._idle: Dict[Key, List[Connection]] = {}
        self._busy: Set[Connection] = set()
        self._asks: Set[Origin] = set()  # servers that want to be asked before a body is sent
        self._silent: Set[Origin] = set()  # servers that tell no checksums
        self._deaf: Set[Origin] = set()  # servers that never say "100 Continue"
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every idle connection, and wake up whoever waits on a busy one."""
        with self._lock:
            for connections in self._idle.values():
                for connection in connections:
                    connection.close()
            self._idle.clear()
            for connection in self._busy:
                connection.abort()

    def note_no_checksum(self, url: str) -> None:
        """Remember that the server of this URL tells no checksums."""
        with self._lock:
            self._silent.add(origin_of(normal(url)))

    def tells_no_checksum(self, url: str) -> bool:
        """Whether that is known of the server."""
        return origin_of(normal(url)) in self._silent

    def request(
        self,
        method: str,
        url: str,
        headers: Optional[Dict[str, str]] = None,
        body: Optional[Body] = None,
        access: Access = NOBODY,
    ) -> Response:
        """The final answer, whatever its status, after redirects: these keep the method.

        Raises:
            TransferError: there is no answer.
        """
        given = dict(headers or {})
        wanted = normal(url)
        target, shown = wanted, access
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._insist(method, target, given, body, shown)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            answer.close()
            if body is not None:
                with self._lock:
                    self._asks.add(origin_of(target))
            target = normal(urljoin(target, location))
            shown = carried(wanted, target, access)
        raise Permanent(f"{url}: more than {_MOST_REDIRECTS} redirects")

    def _insist(
        self, method: str, url: str, headers: Dict[str, str], body: Optional[Body], access: Access
    ) -> Response:
        """One request; once more when a kept connection turns out to be closed."""
        origin = origin_of(url)
        while True:
            connection = self._take(origin, access.certificate)
            again = connection.used > 0 and method in _REPEATABLE
            try:
                return self._exchange(connection, method, url, headers, body, access)
            except BaseException as error:
                self._give(connection, False)
                if not (again and isinstance(error, Transient)):
                    raise
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
        connection.send(_head(method, url, {**headers, **access.headers}, body, ask))
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

        def release(one: Connection, reuse: bool) -> None:
            one.used += 1
            self._give(one, reuse and not unsent)

        return Response(url, status, found, connection, release, method == "HEAD")

    def _interim(self, connection: Connection, origin: Origin) -> Tuple[int, Dict[str, str], bool]:
        """Wait for leave to send the body: 100, or a final status; whether the body stays unsent."""
        if not connection.readable(min(_EXPECT_FOR, self.budget.patience())):
            with self._lock:
                self._deaf.add(origin)
            return 100, {}, False
        status, found = connection.head()
        return status, found, status != 100

    def _take(self, origin: Origin, certificate: str) -> Connection:
        scheme, host, port = origin
        # A proxy that was renewed has a context of its own, and so connections of its own.
        context = self._trust.context(certificate) if scheme == "https" else None
        while True:
            with self._lock:
                kept = self._idle.get((origin, context))
                connection = kept.pop() if kept else None
            if connection is None:
                made = connect(host, port, self.budget, context)
                connection = Connection(made, f"{host}:{port}", self.budget, (origin, context))
            elif connection.is_stale():
                connection.close()
                continue
            with self._lock:
                self._busy.add(connection)
            return connection

    def _give(self, connection: Connection, reuse: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            kept = self._idle.setdefault(connection.key, [])
            if reuse and len(kept) < _KEPT and not self.budget.stopped:
                kept.append(connection)
                return
        connection.close()


def _head(method: str, url: str, headers: Dict[str, str], body: Optional[Body], ask: bool) -> bytes:
    parts = urlsplit(url)
    lines = [f"{method} {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1"]
    fields = {"Host": parts.netloc, "User-Agent": _AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
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
