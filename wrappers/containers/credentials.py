"""Who we are to registries: user names and passwords, or tokens, read from files and never shown.

Read in this order; the first that knows a registry wins:

    the setting `credentials`                       only its owner may read it; every error is told
    $REGISTRY_AUTH_FILE                             podman, buildah, skopeo
    $XDG_RUNTIME_DIR/containers/auth.json           `podman login`
    $XDG_CONFIG_HOME/containers/auth.json           else ~/.config/containers/auth.json
    $DOCKER_CONFIG/config.json                      `docker login`; else ~/.docker/config.json

A key is a registry, or what the names of images begin with (`quay.io/team`): the longest that fits is taken.
"""

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from wrappers.containers.errors import UnsuitableNode
from wrappers.containers.reference import DOCKER_HUB
from wrappers.containers.timed import responds


class Login(NamedTuple):
    """A user name and password, or a token."""

    username: str
    password: str
    identity_token: str = ""  # exchanged for others by the registry's token service
    registry_token: str = ""  # shown as it is

    def __repr__(self) -> str:  # the password must not reach a log by accident
        return f"Login({self.username!r}, ...)"

    @property
    def shown(self) -> str:
        """Whose it is, for messages."""
        return repr(self.username) if self.password else "its token"

    def basic(self) -> str:
        """Return the value of a basic Authorization header."""
        pair = f"{self.username}:{self.password}".encode("utf-8")
        return "Basic " + base64.b64encode(pair).decode("ascii")


class Logins:
    """Logins by registry, or by the beginning of image names."""

    def __init__(self, logins: Optional[Dict[str, Login]] = None) -> None:
        self._logins = logins or {}

    def __repr__(self) -> str:
        return f"Logins({self.names()})"

    def names(self) -> List[str]:
        """List the registries and beginnings of names that are known, in order."""
        return sorted(self._logins)

    def find(self, host: str, repository: str = "") -> Optional[Login]:
        """Find the login for an image: that of the longest key which its name begins with."""
        parts = [host.lower(), *filter(None, repository.split("/"))]
        names = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self._logins[name] for name in names if name in self._logins), None)


def load(path: str = "") -> Logins:
    """Every login that this account has; `path` is the file of the setting `credentials`.

    It is JSON, `{HOST: {"username": ..., "password": ...}}`, or what docker and podman write.

    Raises:
        UnsuitableNode: `path` cannot be read, is open to others, or is not of that form.
    """
    if path and not responds(path):
        raise UnsuitableNode(f"credentials {path}: the file system does not answer", "disk-error")
    found = _own_logins(Path(path)) if path else {}
    for file in filter(lambda one: responds(str(one)), _files()):
        for key, login in _others_logins(file).items():
            found.setdefault(key, login)
    return Logins(found)


def _files() -> List[Path]:
    home = Path(os.path.expanduser("~"))
    named, runtime = os.environ.get("REGISTRY_AUTH_FILE"), os.environ.get("XDG_RUNTIME_DIR")
    user = os.geteuid()
    usual = [f"/run/containers/{user}/auth.json", f"/run/user/{user}/containers/auth.json"]
    return [
        *([Path(named)] if named else []),
        *map(Path, [f"{runtime}/containers/auth.json"] if runtime else usual),
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "containers", "auth.json"),
        Path(os.environ.get("DOCKER_CONFIG") or home / ".docker", "config.json"),
    ]


def _own_logins(path: Path) -> Dict[str, Login]:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise UnsuitableNode(f"credentials file {path} is open to others: type chmod 600 {path}")
        entries = json.loads(path.read_text(encoding="utf-8"))
        entries = entries.get("auths", entries)
        return {_key(key): _login(entry) for key, entry in entries.items()}
    except OSError as error:
        raise UnsuitableNode(f"credentials file {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnsuitableNode(
            f'credentials file {path} must be JSON: {{"HOST": {{"username": "...", "password": "..."}}}}'
        ) from None


def _others_logins(path: Path) -> Dict[str, Login]:
    """Read the logins of other programs. A courtesy: whatever can be read is used, entry by entry."""
    found: Dict[str, Login] = {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["auths"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return found
    for key, entry in entries:
        try:
            found.setdefault(_key(key), _login(entry))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # broken, or kept by a credential helper: the others are good
    return found


def _login(entry: Any) -> Login:
    """Parse an entry in any of docker's forms. Raises ValueError, KeyError, TypeError when it is none."""
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        # docker pads with zero bytes
        decoded = base64.b64decode("".join(entry["auth"].split()) + "==").decode("utf-8").strip("\0")
        username, _, password = decoded.partition(":")
    login = Login(
        username,
        password,
        str(entry.get("identitytoken") or ""),
        str(entry.get("registrytoken") or ""),
    )
    if not (login.username and login.password) and not login.identity_token and not login.registry_token:
        raise ValueError("neither a user name and password nor a token")
    return login


def _key(key: str) -> str:
    """Return a registry, or the beginning of an image name, as `Logins` has it.

    Docker writes `quay.io`, `https://quay.io/v2/`, and `https://index.docker.io/v1/` for the hub; podman also
    what the names of images begin with.
    """
    _, scheme, rest = key.rpartition("://")
    host, _, path = rest.partition("/")
    host = host.lower()
    if host in ("index.docker.io", "registry-1.docker.io"):
        host = DOCKER_HUB
    path = "" if scheme or path.strip("/") in ("v1", "v2") else path.strip("/")
    return f"{host}/{path}" if path else host
