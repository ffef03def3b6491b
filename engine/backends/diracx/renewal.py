"""The next tokens of a session, from DiracX's token end point."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from engine.backends.diracx.answers import detail_of, unavailable
from engine.errors import CredentialExpired

CLIENT = "myDIRACClientID"
"""The client id that every installation knows."""


def refreshed(url: str, refresh_token: str, authorities: str, timeout: float) -> Mapping[str, Any]:
    """Ask the token end point for new tokens (RFC 6749, 6).

    Raises:
        CredentialExpired: the server refuses.
        BackendUnavailable: it does not answer.
    """
    words = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": refresh_token}
    data = urllib.parse.urlencode(words).encode()
    request = urllib.request.Request(f"{url}/api/auth/token", data)  # noqa: S310  # http(s), by settings
    trusted = ssl.create_default_context(cafile=authorities or None)
    try:
        with urllib.request.urlopen(  # noqa: S310  # the same
            request, timeout=timeout, context=trusted
        ) as answer:
            found: Mapping[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        with error:
            why = detail_of(error.read().decode(errors="replace")) or f"HTTP {error.code}"
        if error.code >= 500:
            raise unavailable(url, f"no new token: {why}") from None
        raise CredentialExpired(
            f"DiracX at {url} does not renew the session: {why}",
            remedy="log in with `engine login`, or `dirac login`",
        ) from None
    except (OSError, ValueError) as error:
        raise unavailable(url, f"no new token: {error}") from None
