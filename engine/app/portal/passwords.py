"""Secrets of accounts: API keys are stored as their SHA-256, passwords with scrypt (RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import cache

PREFIX = "ge_"
"""What an API key begins with, so that scanners of repositories know one when they see it."""
_N, _R, _P = 2**14, 8, 1
_SHORTEST = 12


def new_key() -> str:
    """Make a new API key: 256 random bits as text."""
    return PREFIX + secrets.token_urlsafe(32)


def key_hash(key: str) -> str:
    """Hash a key, as it is stored. It is random, so that a slow hash would protect nothing more."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def is_long_enough(password: str) -> bool:
    """Say whether a password may be taken."""
    return len(password) >= _SHORTEST


def stored(password: str) -> str:
    """Hash a password, as it is stored."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${_derive(password, salt, _N, _R, _P).hex()}"


def matches(password: str, kept: str) -> bool:
    """Say whether this is the password. It takes the same time when the account has none."""
    method, *rest = (kept or _nobody()).split("$")
    if method != "scrypt" or len(rest) != 5:
        return False
    n, r, p, salt, wanted = int(rest[0]), int(rest[1]), int(rest[2]), bytes.fromhex(rest[3]), rest[4]
    return hmac.compare_digest(_derive(password, salt, n, r, p).hex(), wanted) and bool(kept)


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogateescape"), salt=salt, n=n, r=r, p=p, maxmem=64 << 20, dklen=32
    )


@cache
def _nobody() -> str:
    """Make a password that nobody has. Not made at import: scrypt is slow, and every command would pay."""
    return stored(secrets.token_hex(16))
