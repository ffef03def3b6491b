"""Who we are to a registry: user names and passwords, read from files and never shown."""

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any, Dict, NamedTuple

from wrappers.containers.errors import NodeTrouble
from wrappers.containers.reference import DOCKER_HUB


class Login(NamedTuple):
    """A user name and password, or token."""

    username: str
    password: str

    def __repr__(self) -> str:  # the password must not reach a log by accident
        return f"Login({self.username!r}, ...)"

    def basic(self) -> str:
        """The value of a basic Authorization header."""
        pair = f"{self.username}:{self.password}".encode("utf-8")
        return "Basic " + base64.b64encode(pair).decode("ascii")


def load(path: str = "") -> Dict[str, Login]:
    """Logins by registry host: those of `path` first, then those that `docker login` keeps.

    `path` is a JSON file {host: {"username": ..., "password": ...}} that nobody else can read.

    Raises:
        NodeTrouble: `path` cannot be read, is open to others, or is not of that form.
    """
    found = _docker_logins(Path(os.path.expanduser("~")) / ".docker" / "config.json")
    if path:
        found.update(_own_logins(Path(path)))
    return found


def _own_logins(path: Path) -> Dict[str, Login]:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise NodeTrouble(f"credentials file {path} is open to others: type chmod 600 {path}")
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {
            host: Login(str(entry["username"]), str(entry["password"])) for host, entry in entries.items()
        }
    except OSError as error:
        raise NodeTrouble(f"credentials file {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NodeTrouble(
            f'credentials file {path} must be JSON: {{"HOST": {{"username": "...", "password": "..."}}}}'
        ) from None


def _docker_logins(path: Path) -> Dict[str, Login]:
    # A courtesy: what is there and readable is used; a credential helper's entries hold no password.
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["auths"]
        return {_host(key): _login(entry["auth"]) for key, entry in entries.items() if entry.get("auth")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _login(encoded: Any) -> Login:
    username, _, password = base64.b64decode(encoded).decode("utf-8").partition(":")
    return Login(username, password)


def _host(key: str) -> str:
    # Docker's keys: "quay.io", "https://quay.io", and "https://index.docker.io/v1/" for the hub
    host = key.partition("://")[2] or key
    host = host.split("/")[0]
    return DOCKER_HUB if host in ("index.docker.io", "registry-1.docker.io") else host
