"""An issuer of OpenID Connect on loopback: its documents by HTTP, and tokens that it signed."""

from __future__ import annotations

import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from engine.clock import Clock


class Provider:
    """An issuer of tokens."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.asked = 0
        self.lock = threading.Lock()
        self.more: list[Any] = []
        """Other keys that it publishes."""
        self.drips = threading.Event()
        """Whether its answers come byte by byte, and have no end."""
        self.left = threading.Event()
        """Whether somebody who was answered so has gone."""
        self.session = ""
        """The refresh token that is good at the moment; each is good once."""
        self.life = 300
        """Seconds of an access token that a refresh token gives."""
        self.refreshed: list[float] = []
        """When somebody refreshed the session."""
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

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                told = provider.refresh({key: values[0] for key, values in form.items()})
                data = json.dumps(told or {"error": "invalid_grant"}).encode()
                self.send_response(200 if told else 400)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/realm"

    def open_session(self) -> str:
        """A first refresh token."""
        self.refreshed = [self.clock.now()]
        self.session = secrets.token_hex(16)
        return self.session

    def refresh(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Give tokens for a refresh token that is good; a used one ends the session (RFC 9700, 4.14.2)."""
        with self.lock:
            if form.get("refresh_token") != self.session or form.get("client_id") != "shanoir":
                self.session = ""
                return None
            self.refreshed.append(self.clock.now())
            self.session = secrets.token_hex(16)
            now = int(self.clock.now())
            return {
                "access_token": self.token(iat=now, exp=now + self.life, jti=self.session),
                "refresh_token": self.session,
                "expires_in": self.life,
            }

    def is_good(self, token: str) -> bool:
        """Whether it has signed a token that has not ended."""
        try:
            claims = jwt.decode(token, self.key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            return False
        return bool(claims["exp"] > self.clock.now())

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
