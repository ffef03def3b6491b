"""The engine's own secret: 32 random bytes that sign claims and tokens, in a file of its owner's."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from base64 import urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from engine import xdg
from engine.errors import SettingsError, Unavailable
from engine.ids import new_id

_SIZE = 32


class Key:
    """Signs short texts. Its bytes are in no `repr`, error or log."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "Key(...)"

    def sign(self, purpose: str, text: str) -> str:
        """Sign a text with 256 bits, as 43 characters; a signature for one purpose is never good for
        another.
        """
        made = hmac.new(self._secret, f"{purpose}\0{text}".encode(), sha256).digest()
        return urlsafe_b64encode(made).rstrip(b"=").decode("ascii")

    def seed(self, purpose: str) -> bytes:
        """32 bytes for a key of another kind; nobody can tell ours from them."""
        return hmac.new(self._secret, f"seed\0{purpose}".encode(), sha256).digest()

    def signed(self, purpose: str, text: str, signature: str) -> bool:
        """Say whether this is our signature; the time it takes does not tell how much of it is right."""
        return hmac.compare_digest(self.sign(purpose, text).encode(), signature.encode("utf-8", "replace"))


def default_path() -> Path:
    """Return where the key lies: beside the default database."""
    return xdg.directory("XDG_DATA_HOME", ".local/share") / "key"


def load_key(path: Path) -> Key:
    """Load the key in this file, made on first use. Two engines that start at once make one key between them.

    Raises:
        SettingsError: others may read the file, it is not ours, or it holds something else.
        Unavailable: it cannot be made or read.
    """
    try:
        if not path.exists():
            _make(path)
        found = path.stat()
        if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise SettingsError(
                f"{path}: the engine's key must be its owner's alone",
                remedy=f"if nobody else has read it, chmod 600 {path}; else remove it: a new one is made",
            )
        text = path.read_text("ascii", errors="replace").strip()
        secret = bytes.fromhex(text)
    except OSError as error:
        raise Unavailable(f"{path}: the engine's key: {error.strerror}") from None
    except ValueError:
        secret = b""
    if len(secret) != _SIZE:
        raise SettingsError(
            f"{path}: not a key of the engine",
            remedy="remove it: a new one is made, and running jobs lose their claims",
        )
    return Key(secret)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{new_id()}")
    try:
        with open(part, "x", encoding="ascii", opener=_private) as file:
            file.write(secrets.token_hex(_SIZE) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another engine was faster: its key it is
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
