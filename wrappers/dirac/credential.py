"""Tokens of DiracX that a node offers. The file of a session is only read: its refresh token is for one use,
and belongs to whoever put it there. Tokens in proxies do not rotate (measured): ours is renewed in memory.
"""

import base64
import json
import os
import re
import time
from typing import Any, Mapping, NamedTuple, Optional

from wrappers import wire

LEFT_S = 60.0  # seconds for which a token must last
_IN_PROXY = re.compile(rb"-----BEGIN DIRACX-----\s+(.+?)\s+-----END DIRACX-----", re.S)


class CurrentToken(NamedTuple):
    """An access token, and what gets the next one where that does no harm."""

    text: str
    expires: float  # seconds since 1970-01-01 UTC
    refresh: str = ""

    def lasts(self) -> bool:
        """Say whether it can be shown."""
        return self.expires - time.time() > LEFT_S

    def __repr__(self) -> str:
        return f"Token(expires {self.expires:.0f})"


class TokenSource(NamedTuple):
    """The file in which tokens are read, and the server that takes them."""

    url: str
    file: str
    proxy: bool

    def read(self) -> Optional[CurrentToken]:
        """Read what is there now: something may renew it while the job runs."""
        try:
            with open(self.file, "rb") as file:
                text = file.read(1 << 20)
            if self.proxy:
                found = _IN_PROXY.search(text)
                text = base64.b64decode(found.group(1)) if found else b""
            data = json.loads(text.decode("utf-8"))
            token = str(data["access_token"])
            refresh = str(data.get("refresh_token") or "") if self.proxy else ""
            return CurrentToken(token, float(data.get("expires_on") or 0.0), refresh)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def source(environment: Mapping[str, str], node: wire.Node) -> Optional[TokenSource]:
    """Find the DiracX of this node; None where there is none, or no token for it."""
    named, file = environment.get("DIRACX_URL", ""), environment.get("DIRACX_CREDENTIALS_PATH", "")
    if named and file:
        session = TokenSource(named.rstrip("/"), file, False)
        if session.read() is not None:
            return session
    url = node.diracx or named
    proxy = environment.get("X509_USER_PROXY", "") or f"/tmp/x509up_u{os.getuid()}"  # noqa: S108 - DIRAC's place
    if url:
        embedded = TokenSource(url.rstrip("/"), proxy, True)
        if embedded.read() is not None:
            return embedded
    return None


def renewed(answer: Any, old: CurrentToken) -> CurrentToken:
    """Read the token of a token end point's answer (RFC 6749, 5.1).

    Raises:
        ValueError: it is none.
    """
    try:
        expires = time.time() + float(answer["expires_in"])
        return CurrentToken(
            str(answer["access_token"]), expires, str(answer.get("refresh_token") or old.refresh)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no token: {error}") from None
