"""An issuer of OpenID Connect on loopback: its documents by HTTP, and tokens that it signed."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from engine.clock import Clock


class Provider:
    """An issuer of tokens."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.asked = 0
        self.more: list[Any] = []
        """Other keys that it publishes."""
        self.drips = threading.Event()
        """Whether its answers come byte by byte, and have no end."""
        self.left = threading.Event()
        """Whether somebody who was answered so has gone."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                if self.path.endswith("openid-configuration"):
                    document: Any = {"jwks_uri": f"{provider.url}/keys"}
                else:
                    document = {"keys": [*provider.more, provider.key.as_dict(private=False)]}
                self.send_response(200)
                self.end_headers()
                while provider.drips.is_set():
                    try:
                        self.wfile.write(b" ")
                    except OSError:
                        provider.left.set()
                        return
                    time.sleep(0.01)
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/realm"

    def token(self, key: Any = None, **more: Any) -> str:
        now = self.clock.now()
        claims = {
            "iss": self.url,
            "aud": "engine",
            "sub": "0001",
            "preferred_username": "zoë k",
            "exp": int(now + 300),
            **more,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, key or self.key)

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
