"""One connection that speaks HTTP/1.1: bytes out, heads and bodies in, never a wait without end.

By hand, not by http.client: that one takes a body which was cut for a whole one, cannot wait for
`100 Continue`, and sets one time limit for a whole buffer instead of one for each sign of life.
"""

import http.client
import io
import re
import select
import socket
import ssl
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple

from wrappers import causes
from wrappers.transfer.addresses import Origin
from wrappers.transfer.budget import Budget
from wrappers.transfer.errors import (
    Cut,
    Denied,
    Permanent,
    TransferError,
    Transient,
    UntrustedServer,
    of_status,
)
from wrappers.transfer.proxies import HttpProxy

PIECE = 1 << 20
_HEAD = 1 << 16  # bytes of a head at most
_READ = 1 << 16
_CHALLENGES = "www-authenticate"

Head = Tuple[int, Dict[str, str]]
"""Status, and headers by their names in small letters."""


Key = Tuple[Origin, Optional[ssl.SSLContext]]
"""Between which connections there is no difference."""


class Connection:
    """A socket to one server, with what was received and not yet used."""

    def __init__(
        self, made: socket.socket, host: str, budget: Budget, key: Key, proxy: Optional[HttpProxy] = None
    ) -> None:
        """`host` names the server in errors; `proxy` is what the other end is, where requests must say so."""
        self.key = key
        self.proxy = proxy
        self._socket = made
        self._host = host
        self._budget = budget
        self._rest = b""
        self.used = 0  # requests that went well
        self.rests_until = 0.0  # by time.monotonic(): before that it is neither used nor closed

    def rest(self) -> float:
        """Seconds for which it is to be left alone."""
        return max(0.0, self.rests_until - time.monotonic())

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def abort(self) -> None:
        """Wake up a thread that waits on it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not connected any more

    def is_stale(self) -> bool:
        """Say whether the server has closed it, or said something that nobody asked for."""
        return bool(self._rest) or self.readable(0.0)

    def readable(self, seconds: float) -> bool:
        """Say whether something arrives within this time."""
        if self._rest or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        poll = select.poll()  # not select(): that one fails for descriptors from 1024 on
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def send(self, data: Any) -> None:
        """Send all of it."""
        view = memoryview(data)
        with self._broken("sending"):
            while view:
                self._socket.settimeout(self._budget.read_timeout())
                view = view[self._socket.send(view) :]

    def head(self) -> Head:
        """Read the next status and headers, be they interim (1xx) or final."""
        while b"\r\n\r\n" not in self._rest and b"\n\n" not in self._rest:
            if len(self._rest) > _HEAD:
                raise Transient(f"{self._host} sends a head without an end")
            received = self.receive(_READ)
            if not received:
                raise Cut(f"{self._host} closed the connection before it answered")
            self._rest += received
        lines = io.BytesIO(self._rest)
        version, _, status = lines.readline().decode("latin-1").partition(" ")
        if not version.startswith("HTTP/1.") or not status[:3].isdecimal():
            raise Transient(f"{self._host} does not answer in HTTP")
        try:
            found = http.client.parse_headers(lines)
        except http.client.HTTPException as error:
            raise Transient(f"{self._host} sends a malformed head: {error}") from None
        headers = {key.lower(): value for key, value in found.items()}
        if _CHALLENGES in headers:  # a server may have several, in one header or in as many
            headers[_CHALLENGES] = ", ".join(found.get_all(_CHALLENGES, ()))
        self._rest = lines.read()
        if version == "HTTP/1.0":
            headers.setdefault("connection", "close")
        return int(status[:3]), headers

    def line(self) -> bytes:
        """Read the next line of a chunked body, without its end."""
        while b"\n" not in self._rest:
            received = self.receive(_READ)
            if not received or len(self._rest) > _HEAD:
                raise Cut(f"{self._host} cut a chunked body")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r")

    def receive(self, size: int) -> bytes:
        """Receive some bytes from the socket, not from what is left; none when the server has closed."""
        with self._broken("waiting for an answer"):
            self._socket.settimeout(self._budget.read_timeout())
            return self._socket.recv(size)

    def receive_into(self, buffer: memoryview) -> int:
        """Receive some of the next bytes; 0 when the server has closed."""
        if self._rest:
            size = min(len(buffer), len(self._rest))
            buffer[:size] = self._rest[:size]
            self._rest = self._rest[size:]
            return size
        with self._broken("receiving"):
            self._socket.settimeout(self._budget.read_timeout())
            return self._socket.recv_into(buffer)

    @contextmanager
    def _broken(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._budget.check()  # an aborted connection is no fault of the server
            raise network_error(error, f"{self._host}: {doing}") from None


def network_error(error: OSError, doing: str) -> TransferError:
    """Translate trouble with a socket into a transfer error."""
    translated = _network_error(error, doing)
    translated.limit = causes.of_limit(error)
    return translated


def _network_error(error: OSError, doing: str) -> TransferError:
    if isinstance(error, socket.timeout):
        return Transient(f"{doing}: nothing happened for too long")
    reason = error.strerror or str(error) or type(error).__name__
    if isinstance(error, ssl.SSLError) and not isinstance(
        error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    ):
        said = (error.reason or str(error)).lower().replace("_", " ")
        if "alert" in said and ("certificate" in said or "unknown ca" in said or "access denied" in said):
            return Denied(f"{doing}: the server does not accept our certificate ({said})")
        return UntrustedServer(f"{doing}: TLS: {_tls(error)}")
    lost = isinstance(error, (ConnectionError, ssl.SSLError)) and not isinstance(
        error, ConnectionRefusedError
    )
    return (Cut if lost else Transient)(f"{doing}: {reason}")


def _tls(error: ssl.SSLError) -> str:
    """Say what is wrong with TLS, without the line of OpenSSL's source, and what helps."""
    said = re.sub(r"^\[SSL[^\]]*\]\s*|\s*\(_ssl\.c:\d+\)", "", error.strerror or str(error))
    if "verify failed" in said and "ostname" not in said and "expired" not in said:
        said += ": name its certificate authority in the setting `authorities`"
    return said


def connect(
    host: str,
    port: int,
    budget: Budget,
    context: Optional[ssl.SSLContext] = None,
    proxy: Optional[HttpProxy] = None,
) -> socket.socket:
    """Connect to a server, with TLS where there is a `context`; with a proxy to that, or with TLS through it.

    Raises:
        TransferError: there is none to be had.
    """
    where = named(host, port, proxy)
    address = (proxy.host, proxy.port) if proxy else (host, port)
    try:
        made = socket.create_connection(address, timeout=budget.connect_timeout())
    except UnicodeError:
        raise Permanent(f"{where}: not a host name") from None
    except OSError as error:
        raise network_error(error, f"connecting to {where}") from None
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is None:
            return made
        if proxy is not None:
            _tunnel(made, host, port, budget, proxy)
        return context.wrap_socket(made, server_hostname=host)
    except OSError as error:
        made.close()
        raise network_error(error, f"connecting to {where}") from None
    except ValueError as error:  # Python 3.6: a certificate for another host
        made.close()
        raise UntrustedServer(f"connecting to {where}: TLS: {error}") from None
    except BaseException:
        made.close()
        raise


def named(host: str, port: int, proxy: Optional[HttpProxy]) -> str:
    """Name a server, as errors do."""
    return f"{host}:{port}" + (f" by the {proxy}" if proxy else "")


def _tunnel(made: socket.socket, host: str, port: int, budget: Budget, proxy: HttpProxy) -> None:
    """Ask a proxy for a way through to the server (RFC 9110, 9.3.6)."""
    where = named(host, port, proxy)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.authorization:
        head += f"Proxy-Authorization: {proxy.authorization}\r\n"
    way = Connection(made, where, budget, (("http", host, port), None))
    way.send((head + "\r\n").encode("latin-1", "replace"))
    status, headers = way.head()
    if not 200 <= status < 300:
        raise of_status(status, headers, f"connecting to {where}")
