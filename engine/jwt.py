"""JSON Web Tokens (RFC 7519), read and not verified: nothing in them may be believed yet."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any


def header(token: str) -> dict[str, Any]:
    """Return how a token is signed; nothing for a text that is none."""
    return _part(token, 0)


def claims(token: str) -> dict[str, Any]:
    """Return what a token says; nothing for a text that is none."""
    return _part(token, 1)


def _part(token: str, number: int) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
