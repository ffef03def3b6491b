"""The next tokens of a session, from DiracX's token end point."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from engine.backends.diracx.answers import detail_of, unavailable
from engine.errors import CredentialExpired
from engine.http import NoHttpAnswer, request

CLIENT = "myDIRACClientID"
"""The client id that every installation knows."""


def refreshed(url: str, refresh_token: str, authorities: str, timeout: float) -> Mapping[str, Any]:
    """Ask the token end point for new tokens (RFC 6749, 6).

    Raises:
        CredentialExpired: the server refuses.
        BackendUnavailable: it does not answer.
    """
    words = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": refresh_token}
    trusted = ssl.create_default_context(cafile=authorities or None)
    try:
        answer = request(f"{url}/api/auth/token", form=words, context=trusted, timeout=timeout)
    except NoHttpAnswer as error:
        raise unavailable(url, f"no new token: {error}") from None
    found = answer.fields()
    if answer.status < 300 and found is not None:
        return found
    why = detail_of(answer.content.decode(errors="replace")) or f"HTTP {answer.status}"
    if answer.status < 400 or answer.status >= 500:
        raise unavailable(url, f"no new token: {why}")
    raise CredentialExpired(
        f"DiracX at {url} does not renew the session: {why}",
        remedy="log in with `engine login`, or `dirac login`",
    )
