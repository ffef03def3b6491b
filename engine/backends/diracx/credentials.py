"""Tokens of DiracX: from the file that `dirac login` writes, or from a proxy that DIRAC has put one into.

A session is never raced: its refresh token works once, and showing an old one ends every session of the
user (measured). So whoever refreshes holds the lock of the file, which is the lock that `dirac` takes too,
and reads it again first. Tokens in proxies do not rotate; each process refreshes its own copy.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from engine.errors import BackendUnavailable, CredentialExpired
from engine.jwt import claims

EARLY, LAST = 300.0, 20.0
"""Seconds before its end from which a token is renewed, and until which it is good if that cannot be done."""

_IN_PROXY = re.compile(rb"-----BEGIN DIRACX-----\s+(.+?)\s+-----END DIRACX-----", re.S)
_LOGIN = "log in with `engine login`, or `dirac login`"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token with what it says of its owner. Not verified: the server does that."""

    text: str
    expires: float
    """Seconds since 1970-01-01 UTC."""
    owner: str = ""
    vo: str = ""
    group: str = ""
    issued: float = 0.0
    """When it was written down, where it does not say itself since when it is good."""

    def lasts(self, now: float) -> bool:
        """Say whether it need not be renewed yet: half of its life is left, or five minutes."""
        half = (self.expires - self.issued) / 2
        return self.expires - now >= min(EARLY, max(half, LAST))

    def __repr__(self) -> str:
        return f"Token({self.owner or 'nobody'}, expires {self.expires:.0f})"


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token and what gets the next one."""

    access: AccessToken
    refresh: str = ""

    def __repr__(self) -> str:
        return f"Pair({self.access})"

    @property
    def ends(self) -> float:
        """When nothing can be renewed any more, in seconds since 1970-01-01 UTC."""
        return max(self.access.expires, _number(claims(self.refresh).get("exp")))


class Refresh(Protocol):
    """The request for the next tokens."""

    def __call__(self, refresh_token: str) -> Mapping[str, Any]:
        """Return the server's answer.

        Raises:
            CredentialExpired: the server refuses.
            BackendUnavailable: it does not answer.
        """


class TokenProvider:
    """Provider of tokens that are good for a while, from a file or a proxy."""

    def __init__(self, file: Path, refresh: Refresh, *, proxy: bool = False) -> None:
        self.file = file
        self._refresh = refresh
        self._proxy = proxy
        self._held: Pair | None = None
        self._stamp: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def token(self, *, anew: bool = False) -> AccessToken:
        """Return an access token that lasts. `anew`: the server has refused the one that looked good.

        Raises:
            CredentialExpired: there is none, or the session is over.
            BackendUnavailable: the server that gives the next one does not answer.
        """
        with self._lock:
            now = time.time()
            stamp = self._stamp_now()
            if self._held is None or stamp != self._stamp:
                self._held, self._stamp = None, stamp
            if self._held is None or anew or not self._held.access.lasts(now):
                self._held = self._from_proxy(now, anew) if self._proxy else self._from_file(now, anew)
                self._stamp = self._stamp_now()
            return self._held.access

    def ends(self) -> float:
        """Return when the session is over, in seconds since 1970-01-01 UTC.

        Raises:
            CredentialExpired, BackendUnavailable: as for `token`.
        """
        self.token()
        return self._held.ends if self._held else 0.0

    def _stamp_now(self) -> tuple[int, int]:
        try:
            found = self.file.stat()
        except OSError as error:
            raise CredentialExpired(
                f"no DiracX credential: {self.file}: {error.strerror}", remedy=_LOGIN
            ) from None
        if found.st_mode & 0o077:
            raise CredentialExpired(
                f"{self.file} can be read by other users", remedy=f"chmod 600 {self.file}"
            )
        return found.st_mtime_ns, found.st_ino

    def _from_file(self, now: float, anew: bool) -> Pair:
        with self.file.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released with the file
            pair = _read(file.read(), self.file, os.fstat(file.fileno()).st_mtime)
            replaced = self._held is None or pair.access.text != self._held.access.text
            if pair.access.lasts(now) and (replaced or not anew):
                return pair  # good, or renewed by somebody else meanwhile
            return self._renewed(pair, now, file)

    def _from_proxy(self, now: float, anew: bool) -> Pair:
        found = _IN_PROXY.search(self.file.read_bytes())
        if found is None:
            raise CredentialExpired(
                f"the proxy {self.file} holds no DiracX token",
                remedy="dirac-proxy-init of DIRAC 9 puts one in, where the installation has DiracX",
            )
        pair = _read(_decoded(found.group(1)), self.file, self.file.stat().st_mtime)
        if not anew and pair.access.lasts(now):
            return pair
        return self._renewed(pair, now, None)

    def _renewed(self, pair: Pair, now: float, file: IO[bytes] | None) -> Pair:
        """Renew the tokens, and write them down before anybody uses them."""
        if _number(claims(pair.refresh).get("exp")) <= now:
            if pair.access.expires - now > LAST:
                return pair  # its last minutes
            raise CredentialExpired(f"the DiracX session in {self.file} is over", remedy=_LOGIN)
        try:
            answer = self._refresh(pair.refresh)
        except BackendUnavailable:
            if pair.access.expires - now > LAST:
                return pair
            raise
        data = {
            "access_token": answer["access_token"],
            "refresh_token": answer.get("refresh_token") or pair.refresh,
            "expires_on": int(now + answer.get("expires_in", 0)),
        }
        text = json.dumps(data).encode()
        if file is not None:
            file.seek(0)
            file.write(text)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        return _read(text, self.file, now)


def _read(text: bytes, where: Path, written: float) -> Pair:
    try:
        data = json.loads(text)
        access, expires = data["access_token"], float(data.get("expires_on") or 0)
        refresh = data.get("refresh_token") or ""
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CredentialExpired(f"{where} holds no DiracX tokens", remedy=_LOGIN) from None
    said = claims(access)
    expires = min([e for e in (expires, _number(said.get("exp"))) if e] or [0.0])
    owner, vo, group = (str(said.get(key, "")) for key in ("preferred_username", "vo", "dirac_group"))
    return Pair(
        AccessToken(str(access), expires, owner, vo, group, _number(said.get("iat")) or written), str(refresh)
    )


def _decoded(text: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(b"".join(text.split()).translate(_TO_URLSAFE) + b"===")
    except ValueError:
        return b""


_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
