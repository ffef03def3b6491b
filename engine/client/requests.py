"""Requests to a daemon: repeated while it does not answer, its refusals told as errors of the engine."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Self
from urllib.parse import SplitResult, urlsplit

from engine.clock import Clock, SystemClock
from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from wrappers.backoff import Backoff

PIECE = 1 << 20
"""Bytes that are moved at a time."""
_PAUSES = Backoff(0.2, 10.0)
_TIMEOUT = 120.0
WORK = 4 * 3600.0
"""Seconds for an answer for which the daemon itself must move or read a whole file."""
_NOT_DONE = (408, 429, 503)
"""With these, a daemon or what stands before it says that it did nothing."""
_NO_EXECUTION = 8015
_CODED = re.compile(r" \(Error code [0-9]+\)$")
"""What CARMIN's messages end with."""
logger = logging.getLogger("engine.client")


class _Refused(Unavailable):
    """A refusal by a daemon that does nothing now."""


class Requests:
    """A connection to a daemon, with a key. Threads have one each."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience: float = 60.0,
        authorities: str | None = None,
        timeout: float = _TIMEOUT,
        clock: Clock | None = None,
    ) -> None:
        """`key`: an API key. `patience`: seconds for which a daemon that does not answer is asked again.
        `authorities`: file of certificate authorities; None: the system's. `timeout`: seconds of silence
        after which it does not answer, where it has no files to move.

        Raises:
            BadRequest: the URL is none, everybody on the way could read the key, or it can be no key.
        """
        parts = _parts(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not re.fullmatch("[!-~]+", key):
            raise BadRequest("this is no API key", remedy="a key is one word, ge_...; ENGINE_KEY holds it")
        if parts.scheme == "http" and not local:
            raise BadRequest(f"{url}: the key would be readable on the way", remedy="use https")
        self._parts = parts
        self._key = key
        self._patience = patience
        self._authorities = authorities
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._connection: http.client.HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._parts.geturl()!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _json(
        self, method: str, path: str, document: Any = None, *, within: float | None = None, once: str = ""
    ) -> Any:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} if body else {"Content-Length": "0"}
        answer = self._repeated(
            method,
            path,
            (lambda: iter([body])) if body else None,
            headers,
            size=body,
            within=within,
            once=once,
        )
        try:
            return json.loads(answer) if answer else None
        except ValueError:
            raise self._no_daemon("its answer is no JSON") from None

    def _no_daemon(self, why: str) -> BadRequest:
        return BadRequest(
            f"{self._parts.geturl()}: no daemon of the engine: {why}", remedy="is it the right URL?"
        )

    def _unavailable(self, why: str, remedy: str) -> Unavailable:
        return Unavailable(f"{self._parts.netloc}{why}", remedy=remedy)

    def _bytes(self, method: str, path: str) -> bytes:
        return self._repeated(method, path, None, {})

    def _repeated(
        self,
        method: str,
        path: str,
        body: Callable[[], Iterator[bytes]] | None,
        headers: Mapping[str, str],
        *,
        size: bytes | None = None,
        into: IO[bytes] | None = None,
        within: float | None = None,
        once: str = "",
    ) -> bytes:
        """One request, as often as it takes, each within some seconds. `once`: it is none to be repeated, and
        this tells how to find out whether it was done.
        """
        sent = {**headers, "apikey": self._key}
        if size is not None:
            sent["Content-Length"] = str(len(size))
        until: float | None = None
        pause = 0.0
        while True:
            connection = None
            try:
                connection = self._connected(anew=bool(once))
                return self._once(connection, method, path, body, sent, into, within or self._timeout)
            except ssl.SSLCertVerificationError as error:
                self.close()
                raise self._unavailable(
                    f": its certificate is not good: {error.verify_message}",
                    "SSL_CERT_FILE can name the file of its authority",
                ) from None
            except (OSError, http.client.HTTPException, Unavailable) as error:
                self.close()
                words = getattr(error, "strerror", None) or str(error) or type(error).__name__
                if once and connection and not isinstance(error, _Refused):
                    raise self._unavailable(f" does not answer: {words}; perhaps it is done", once) from None
                until = self._clock.now() + self._patience if until is None else until
                left = until - self._clock.now()
                if left <= 0:
                    raise self._unavailable(
                        f" does not answer: {words}", "the work goes on there; ask again later"
                    ) from None
                if not pause:
                    logger.warning(
                        "%s does not answer: %s; it is asked again for %.0f s",
                        self._parts.netloc,
                        words,
                        left,
                    )
                pause = _PAUSES.after(pause)
                self._clock.sleep(min(left, pause))

    def _once(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Callable[[], Iterator[bytes]] | None,
        headers: Mapping[str, str],
        into: IO[bytes] | None,
        within: float,
    ) -> bytes:
        at = into.tell() if into else 0
        sent = {**headers, "Range": f"bytes={at}-"} if at else dict(headers)
        connection.request(
            method, f"{self._parts.path.rstrip('/')}/rest/{path}", body() if body else None, sent
        )
        connection.sock.settimeout(within)
        answer = connection.getresponse()
        if 300 <= answer.status < 400:
            raise self._no_daemon(f"it sends us to {answer.headers.get('Location', 'another place')}")
        if answer.status >= 400 and not (answer.status == 416 and at):
            raise self._failure(answer.status, answer.read())
        if into is None:
            return answer.read()
        if at and answer.status == 200:
            into.seek(0)
            into.truncate()
        while answer.status != 416 and (piece := answer.read(PIECE)):
            into.write(piece)
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)
        answer.read()
        return b""

    def _failure(self, status: int, body: bytes) -> BadRequest | Unavailable | CredentialExpired:
        """Translate an answer of the daemon that is an error."""
        try:
            fields = json.loads(body)
            code, words = int(fields["errorCode"]), _CODED.sub("", str(fields["errorMessage"]))
        except (ValueError, KeyError, TypeError):
            if status in (404, 405, 501):
                return self._no_daemon(f"it answers with status {status}")
            code, words = 0, f"the daemon answers with status {status}"
        if status == 401:
            return CredentialExpired(
                words, remedy="is it the right key? ENGINE_KEY or the file of the key says which"
            )
        if status >= 500 or status in _NOT_DONE:
            return _Refused(words) if status in _NOT_DONE else Unavailable(words)
        return NotFound(words) if code == _NO_EXECUTION or status == 404 else BadRequest(words)

    def _connected(self, *, anew: bool) -> http.client.HTTPConnection:
        if anew:
            self.close()  # one that was used may have been closed there, and look as if it took the request
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            self._connection = (
                http.client.HTTPSConnection(
                    host,
                    port,
                    timeout=self._timeout,
                    context=ssl.create_default_context(cafile=self._authorities),
                )
                if self._parts.scheme == "https"
                else http.client.HTTPConnection(host, port, timeout=self._timeout)
            )
        if self._connection.sock is None:
            _connect(self._connection)
        self._connection.sock.settimeout(self._timeout)
        return self._connection


def _connect(connection: http.client.HTTPConnection) -> None:
    """Connect so that a machine that is gone is noticed, and none on the way forgets the connection."""
    connection.connect()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # Linux's; other systems have times of their own
        for name, value in (
            (socket.TCP_KEEPIDLE, 60),
            (socket.TCP_KEEPINTVL, 15),
            (socket.TCP_KEEPCNT, 4),
        ):
            connection.sock.setsockopt(socket.IPPROTO_TCP, name, value)


def _parts(url: str) -> SplitResult:
    remedy = "e.g. https://platform.example.org"
    if "@" in url:  # not shown: there may be a password in it
        raise BadRequest("the URL of a daemon has no name and no password in it", remedy=remedy)
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # no such port, or no such address
        pass
    raise BadRequest(f"{url}: not the URL of a daemon", remedy=remedy)
