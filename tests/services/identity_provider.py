"""A stand-in for an identity provider such as EGI Check-in: OpenID Connect's code flow, and it agrees to all.

Everybody who comes is the same user. Enough for DiracX's device flow, and so for a real `dirac login`.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.services.diracx import USERS, VENV

CLIENT = "tests"
"""The client id that DiracX has there."""


@contextmanager
def identity_provider(user: str = "alice") -> Iterator[str]:
    """Its URL, until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}"
    server.provider = _Provider(url, user)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Provider:
    """What it says."""

    def __init__(self, url: str, user: str) -> None:
        self._url = url
        self._user = user
        self._key = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256", "use": "sig"}, private=True)

    def configuration(self) -> dict[str, Any]:
        """What clients must know (OpenID Connect Discovery 1.0)."""
        return {
            "issuer": self._url,
            "authorization_endpoint": f"{self._url}/authorize",
            "token_endpoint": f"{self._url}/token",
            "jwks_uri": f"{self._url}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code"],
        }

    def keys(self) -> Any:
        """The public half."""
        return KeySet([self._key]).as_dict(private=False)

    def tokens(self) -> dict[str, Any]:
        """Who the user is."""
        now = int(time.time())
        claims = {"iss": self._url, "aud": CLIENT, "sub": USERS[self._user], "iat": now, "exp": now + 600}
        text = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self._key)
        return {"access_token": "none", "token_type": "Bearer", "expires_in": 600, "id_token": text}


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        provider: _Provider = self.server.provider  # type: ignore[attr-defined]
        asked = urlsplit(self.path)
        if asked.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            words = urlencode({"code": secrets.token_hex(8), "state": query["state"]})
            self._answer(302, {}, Location=f"{query['redirect_uri']}?{words}")
        elif asked.path == "/keys":
            self._answer(200, provider.keys())
        else:
            self._answer(200, provider.configuration())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(200, self.server.provider.tokens())  # type: ignore[attr-defined]

    def _answer(self, status: int, content: Any, **headers: str) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def dirac_login(words: Sequence[str], url: str, file: Path) -> str:
    """`dirac login`, by DiracX's own command, and a user who follows the link; gives what it printed."""
    process = subprocess.Popen(
        [VENV / "bin" / "dirac", "login", *words],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(file.parent),
            "DIRACX_URL": url,
            "DIRACX_CREDENTIALS_PATH": str(file),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "500",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Now go to: "):
            with urllib.request.urlopen(line.removeprefix("Now go to: ").strip(), timeout=60) as page:
                page.read()
    process.stdout.close()
    if process.wait():
        raise RuntimeError("".join(said)[-1000:])
    return "".join(said)
