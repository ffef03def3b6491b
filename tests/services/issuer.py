"""An issuer of WLCG tokens that does not exist: its documents, served by HTTPS, and tokens that it signed."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from tests.services.debian import require

_AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"


class Issuer:
    """Its key and documents are in a directory."""

    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self._key = directory / "issuer.key"
        openssl = require("openssl")
        subprocess.run([openssl, "genrsa", "-out", self._key, "2048"], check=True, capture_output=True)
        told = subprocess.run(
            [openssl, "rsa", "-in", self._key, "-noout", "-modulus"],
            check=True,
            capture_output=True,
            text=True,
        )
        modulus = bytes.fromhex(told.stdout.strip().removeprefix("Modulus="))
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "n": _encoded(modulus), "e": "AQAB"}
        documents = directory / "documents"
        (documents / ".well-known").mkdir(parents=True)
        (documents / "jwks").write_text(json.dumps({"keys": [key]}))
        (documents / ".well-known/openid-configuration").write_text(
            json.dumps({"issuer": url, "jwks_uri": f"{url}jwks"})
        )

    def token(self, scope: str, *, seconds: float = 3600.0) -> str:
        """A token; a negative life is one that has run out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "alice",
            "aud": _AUDIENCE,
            "iat": now - 7200,
            "nbf": now - 7200,
            "exp": now + int(seconds),
            "wlcg.ver": "1.0",
            "scope": scope,
        }
        head = {"alg": "RS256", "typ": "JWT", "kid": "k"}
        text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
        signed = subprocess.run(
            [require("openssl"), "dgst", "-sha256", "-sign", self._key],
            input=text.encode(),
            check=True,
            capture_output=True,
        )
        return f"{text}.{_encoded(signed.stdout)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def serve(port: int, documents: str, certificate: str, key: str) -> None:
    """Serve the documents by HTTPS."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=documents)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:])
