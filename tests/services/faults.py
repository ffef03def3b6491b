"""A registry that misbehaves: a proxy that cuts, corrupts, refuses, redirects, and counts."""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.services.pki import Pki

_TOKEN = "a-token-for-the-tests"


@dataclass
class Faults:
    """What goes wrong, how often, and what was seen. May be changed while it runs."""

    url: str
    host: str
    cut_after: int = 0
    """Bytes of a blob after which the connection is closed, `cuts` times."""
    cuts: int = 0
    corrupt: int = 0
    """Blobs that get one flipped byte."""
    corrupt_above: int = 0
    """Only blobs of more bytes than this, that is: no configurations."""
    refuse: list[int] = field(default_factory=list)
    """Statuses for the next requests, one each."""
    retry_after: str = ""
    wrong_manifest: bytes = b""
    """Sent for every manifest."""
    missing: bool = False
    """Nothing is there."""
    login: str = ""
    """user:password for basic authentication, or for a token."""
    token: bool = False
    """A bearer token is wanted."""
    token_refuse: list[int] = field(default_factory=list)
    """Statuses for the next requests to the token service, one each; 0 cuts the connection."""
    token_redirects: int = 0
    """Requests to the token service that are sent elsewhere on it first."""
    identity: str = ""
    """The refresh token (an identity token) for which the token service gives a token."""
    challenges: list[str] = field(default_factory=list)
    """In place of the usual one, a WWW-Authenticate header each; {realm} is the token service."""
    redirect_to: str = ""
    """Blobs are elsewhere: this address gets the path appended."""
    ranges: bool = True
    requests: int = 0
    blobs: int = 0
    bytes: int = 0
    """Of bodies sent."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Path and Authorization header of each request."""
    lock: Any = field(default_factory=threading.Lock)

    def take(self, name: str) -> bool:
        """Whether one of `name` (cuts, corrupt) is left; it is used up."""
        with self.lock:
            left = getattr(self, name)
            setattr(self, name, max(0, left - 1))
            return bool(left > 0)


@contextmanager
def faulty(upstream: str, pki: Pki | None = None, name: str = "") -> Iterator[Faults]:
    """A misbehaving registry before `upstream` (its host:port), on a free loopback port.

    With `pki` it speaks TLS, as its host; `name` is what it calls itself.
    """

    class Handler(_Handler):
        pass

    Handler.upstream = upstream
    server = _Server(("127.0.0.1", 0), Handler)
    host = f"127.0.0.1:{server.server_address[1]}"
    if pki is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.directory / "host.pem", pki.directory / "host.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url = f"{'https' if pki else 'http'}://{name or host}"
    faults = Handler.faults = Faults(url=url, host=host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults
    upstream: str

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        faults = self.faults
        with faults.lock:
            faults.requests += 1
            faults.seen.append((self.path, self.headers.get("Authorization", "")))
            status = faults.refuse.pop(0) if faults.refuse else 0
        if self.path.startswith("/token"):
            self._token()
        elif status:
            self._answer(status, b"", {"Retry-After": faults.retry_after} if faults.retry_after else {})
        elif not self._allowed():
            pass
        elif faults.missing:
            self._answer(404, b"{}")
        elif "/manifests/" in self.path and faults.wrong_manifest:
            kind = "application/vnd.oci.image.manifest.v1+json"
            self._answer(200, faults.wrong_manifest, {"Content-Type": kind})
        elif "/blobs/" in self.path and faults.redirect_to:
            self._answer(307, b"", {"Location": faults.redirect_to + self.path})
        else:
            self._pass_on()

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        with self.faults.lock:
            self.faults.seen.append((f"POST {self.path}", self.headers.get("Authorization", "")))
        good = bool(self.faults.identity) and form.get("refresh_token") == [self.faults.identity]
        self._answer(*((200, f'{{"access_token": "{_TOKEN}"}}'.encode()) if good else (401, b"{}")))

    def _token(self) -> None:
        faults = self.faults
        if faults.token_refuse:
            status = faults.token_refuse.pop(0)
            if status:
                self._answer(status, b"", {"Retry-After": faults.retry_after} if faults.retry_after else {})
            self.close_connection = True
            return
        if faults.take("token_redirects"):
            self._answer(307, b"", {"Location": "/token/elsewhere?" + urlsplit(self.path).query})
            return
        good = not faults.login or self.headers.get("Authorization", "") == self._basic()
        self._answer(200 if good else 401, f'{{"token": "{_TOKEN}"}}'.encode() if good else b"{}")

    def _allowed(self) -> bool:
        faults, sent = self.faults, self.headers.get("Authorization", "")
        if faults.token and sent != f"Bearer {_TOKEN}":
            challenge = f'Bearer realm="{faults.url}/token",service="tests",scope="repository:x:pull"'
        elif faults.login and not faults.token and sent != self._basic():
            challenge = 'Basic realm="tests"'
        else:
            return True
        asked = [one.replace("{realm}", f"{faults.url}/token") for one in faults.challenges] or [challenge]
        self._answer(401, b"{}", [("WWW-Authenticate", one) for one in asked])
        return False

    def _basic(self) -> str:
        return "Basic " + base64.b64encode(self.faults.login.encode()).decode()

    def _pass_on(self) -> None:
        connection = http.client.HTTPConnection(self.upstream)
        names = ("accept", "range") if self.faults.ranges else ("accept",)
        headers = {name: value for name, value in self.headers.items() if name.lower() in names}
        connection.request(self.command, self.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        blob = "/blobs/" in self.path and answer.status in (200, 206)
        if blob:
            with self.faults.lock:
                self.faults.blobs += 1
            if len(body) > self.faults.corrupt_above and self.faults.take("corrupt"):
                body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        connection.close()
        if blob and len(body) > self.faults.cut_after and self.faults.take("cuts"):
            body = body[: self.faults.cut_after]
            self.close_connection = True
        self._write(body)

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | list[tuple[str, str]] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items() if isinstance(headers, dict) else headers or ():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._write(body)

    def _write(self, body: bytes) -> None:
        with self.faults.lock:
            self.faults.bytes += len(body)
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True
