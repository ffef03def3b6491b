"""Bytes to a server and back, without any library's opinion of them."""

from __future__ import annotations

import http.client
import json
import socket
import time
from contextlib import suppress

from tests.smuggling.cases import Case, Request
from tests.smuggling.echo import SEEN

_PAUSE = 0.03
"""Seconds after which a piece was read; if not, the case is an easier one."""
_WAIT = 3.0
"""Seconds for which a server that is mistaken waits for more."""


def sent(port: int, case: Case) -> bytes:
    """Send a case, and give all that comes back until the server closes."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_WAIT) as connection, suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            for number, piece in enumerate(case.pieces):
                if number:
                    time.sleep(_PAUSE if len(case.pieces) < 20 else 0.001)
                connection.sendall(piece)
        while piece := connection.recv(1 << 16):
            found += piece
    return found


def seen(port: int) -> list[Request]:
    """What the application behind this port was given since it was asked last."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", SEEN)
        rows = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return [
        Request(method, path, None if body is None else body.encode("latin-1")) for method, path, body in rows
    ]
