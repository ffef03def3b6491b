"""An HTTP proxy, as sites put between their nodes and the world: it knows a few hosts, and notes who asks."""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class ForwardProxy:
    """A running proxy."""

    url: str
    routes: dict[str, str] = field(default_factory=dict)
    """host:port in the world -> host:port on this machine; whatever else is asked for does not answer."""
    login: str = ""
    """user:password that it wants."""
    seen: list[str] = field(default_factory=list)
    """`METHOD target` of every request."""
    lock: Any = field(default_factory=threading.Lock)


@contextmanager
def forward_proxy(**routes_or_login: Any) -> Iterator[ForwardProxy]:
    """A proxy on a free loopback port until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    proxy = server.proxy = ForwardProxy(f"http://127.0.0.1:{server.server_port}", **routes_or_login)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_CONNECT(self) -> None:
        upstream = self._upstream(self.path)
        if not upstream:
            return
        host, _, port = upstream.partition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(other, self.connection))
            back.start()
            _pump(self.connection, other)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        upstream = self._upstream(f"{parts.hostname}:{parts.port or 80}")
        if not upstream:
            return
        connection = http.client.HTTPConnection(upstream, timeout=60)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kept = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        connection.request(self.command, target, body, kept)
        answer = connection.getresponse()
        self.send_response(answer.status)
        content = answer.read()
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server", "content-length"):
                self.send_header(name, value)
        size = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", size or "0")
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    do_HEAD = do_PUT = do_GET  # noqa: N815  # names that http.server wants

    def _upstream(self, target: str) -> str:
        """Where a request goes; "" when it was answered."""
        proxy: ForwardProxy = self.server.proxy  # type: ignore[attr-defined]
        with proxy.lock:
            proxy.seen.append(f"{self.command} {self.path}")
        wanted = "Basic " + base64.b64encode(proxy.login.encode()).decode()
        status = 0
        if proxy.login and self.headers.get("Proxy-Authorization") != wanted:
            status = 407
        elif target not in proxy.routes:
            status = 502
        if status:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return ""
        return proxy.routes[target]


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
