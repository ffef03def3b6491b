"""A daemon elsewhere, as the commands of `engine --server URL` reach it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.session import session
from engine.errors import BadRequest

if TYPE_CHECKING:
    from engine.cli.at_daemon import AtDaemon
    from engine.client import Client


def connected() -> Client:
    """Make a client of the daemon.

    Raises:
        BadRequest: there is no key.
    """
    from engine.client import Client

    return Client(session.server or "", _key())


def daemon() -> AtDaemon:
    """Reach the use cases of executions at the daemon.

    Raises:
        BadRequest: there is no key.
    """
    from engine.cli.at_daemon import AtDaemon

    return AtDaemon(session.server or "", _key())


def _key() -> str:
    key = os.environ.get("ENGINE_KEY", "").strip()
    if not key:
        raise BadRequest("ENGINE_KEY is not set", remedy="it holds your API key of the platform")
    return key


def document(path: Path) -> dict[str, Any]:
    """Read a file with a JSON object.

    Raises:
        BadRequest: it cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BadRequest(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"{path}: a JSON object is needed")
    return found
