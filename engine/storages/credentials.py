"""What the engine shows to a storage: proxies, tokens and keys, each in a file of its owner's.

Files are looked at whenever they are used and read again when they have changed, so that whoever renews a
proxy or token need tell nobody. A secret is inside of a `Secret`, which no `repr`, log or error ever opens.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NewType, Protocol

from engine.clock import Clock, iso
from engine.errors import CredentialExpired, SettingsError
from engine.ports import CredentialKind
from engine.storages.expiry import expiry_of_proxy, expiry_of_token

Expires = NewType("Expires", float)
FOR_EVER = Expires(float("inf"))
_LARGEST = 1 << 20
_NEAR_S = 60.0
"""Seconds before its end from which on a token of our own is made anew."""


class Secret:
    """A text that shows itself only when it is asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")

    def reveal(self) -> str:
        """Return the text; for the wire only."""
        return self._text


@dataclass(frozen=True, slots=True)
class X509Proxy:
    """An X.509 proxy, or a certificate with its key; TLS reads the file itself."""

    file: Path
    expires: Expires


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A bearer token."""

    value: Secret
    expires: Expires


@dataclass(frozen=True, slots=True)
class Basic:
    """A name and a password."""

    username: str
    password: Secret
    expires: Expires = FOR_EVER


@dataclass(frozen=True, slots=True)
class S3Keys:
    """A pair of keys for S3, with a session token where the service gave one."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires: Expires = FOR_EVER


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of an external platform, from which it makes short-lived tokens."""

    value: Secret
    expires: Expires = FOR_EVER


Credential = X509Proxy | BearerToken | Basic | S3Keys | ApiKey


class CredentialSource(Protocol):
    """The source of a storage's credential."""

    name: str
    kind: CredentialKind

    def current(self) -> Credential:
        """Return the credential, good at this moment.

        Raises:
            SettingsError, CredentialExpired: there is none that is good.
        """

    def seconds_left(self) -> float:
        """Return for how long it is good."""


class MadeToken:
    """A token that the engine makes itself, anew when it nears its end."""

    kind: CredentialKind = "token"

    def __init__(self, name: str, make: Callable[[], tuple[str, float]], clock: Clock) -> None:
        self.name = name
        self._make = make
        self._clock = clock
        self._made = BearerToken(Secret(""), Expires(float("-inf")))

    def current(self) -> BearerToken:
        """Return a token that is good for a while."""
        if self._made.expires - _NEAR_S <= self._clock.now():
            text, expires = self._make()
            self._made = BearerToken(Secret(text), Expires(expires))
        return self._made

    def seconds_left(self) -> float:
        """Return infinity: a token can always be made."""
        return float("inf")


class CredentialFile:
    """A credential as it is in its file now."""

    def __init__(self, name: str, kind: CredentialKind, file: Path, clock: Clock) -> None:
        self.name = name
        self.kind = kind
        self.file = file.expanduser()
        self._clock = clock
        self._read: tuple[tuple[int, int, int], Credential] | None = None

    def __repr__(self) -> str:
        return f"CredentialFile({self.name!r}, {self.kind!r}, {str(self.file)!r})"

    def current(self) -> Credential:
        """Return the credential, good at this moment.

        Raises:
            SettingsError: the file is missing, others may read it, or it holds something else.
            CredentialExpired: it has run out.
        """
        credential = self._load()
        if credential.expires <= self._clock.now():
            raise CredentialExpired(
                f"credential {self.name}: the {self.kind} in {self.file} ended at {iso(credential.expires)}",
                remedy=_RENEW[self.kind],
            )
        return credential

    def seconds_left(self) -> float:
        """Return for how long it is good; infinite when it does not say, negative when it is over.

        Raises:
            SettingsError: as for `current`.
        """
        return self._load().expires - self._clock.now()

    def _load(self) -> Credential:
        try:
            with open(self.file, "rb", opener=_no_wait) as opened:
                found = os.fstat(opened.fileno())
                mark = (found.st_ino, found.st_size, found.st_mtime_ns)
                self._check(found)
                if self._read and self._read[0] == mark:
                    return self._read[1]
                text = opened.read(_LARGEST).decode("utf-8")
        except OSError as error:
            raise SettingsError(
                f"credential {self.name}: {self.file}: {error.strerror}", remedy=_RENEW[self.kind]
            ) from None
        except UnicodeDecodeError:
            raise self._wrong("it is not text") from None
        credential = self._parse(text)
        self._read = (mark, credential)
        return credential

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise SettingsError(f"credential {self.name}: {self.file} is no file")
        if found.st_uid != os.getuid():
            raise SettingsError(
                f"credential {self.name}: {self.file} belongs to somebody else",
                remedy="use a copy that belongs to the account of the engine",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise SettingsError(
                f"credential {self.name}: others may read {self.file}", remedy=f"chmod 600 {self.file}"
            )

    def _parse(self, text: str) -> Credential:
        try:
            return _PARSERS[self.kind](self.file, text)
        except (ValueError, KeyError, TypeError):  # whose words could quote what is in the file
            raise self._wrong(f"{_WANTED[self.kind]} is needed") from None

    def _wrong(self, words: str) -> SettingsError:
        return SettingsError(f"credential {self.name}: {self.file}: {words}", remedy=_RENEW[self.kind])


def _no_wait(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would never answer


def _proxy(file: Path, text: str) -> Credential:
    return X509Proxy(file, Expires(expiry_of_proxy(text)))


def _token(_file: Path, text: str) -> Credential:
    value = _line(text)
    return BearerToken(Secret(value), Expires(expiry_of_token(value)))


def _basic(_file: Path, text: str) -> Credential:
    fields = json.loads(text)
    return Basic(_text(fields["username"]), Secret(_text(fields["password"])))


def _s3(_file: Path, text: str) -> Credential:
    fields = json.loads(text)
    session = fields.get("session_token")
    return S3Keys(
        _text(fields["access_key_id"]),
        Secret(_text(fields["secret_access_key"])),
        Secret(_text(session)) if session else None,
    )


def _key(_file: Path, text: str) -> Credential:
    return ApiKey(Secret(_line(text)))


def _line(text: str) -> str:
    """Read the one token that a file holds."""
    [token] = text.split()
    return token


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


_PARSERS: dict[CredentialKind, Callable[[Path, str], Credential]] = {
    "proxy": _proxy,
    "token": _token,
    "basic": _basic,
    "s3": _s3,
    "key": _key,
}
_WANTED: dict[CredentialKind, str] = {
    "proxy": "PEM with a certificate and its key",
    "token": "one token and nothing else",
    "basic": 'JSON {"username": ..., "password": ...}',
    "s3": 'JSON {"access_key_id": ..., "secret_access_key": ...}',
    "key": "one API key and nothing else",
}
_RENEW: dict[CredentialKind, str] = {
    "proxy": "make a new one, e.g. with voms-proxy-init or dirac-proxy-init",
    "token": "get a new one, e.g. with oidc-token or htgettoken",
    "basic": "see docs/reference/storages.md",
    "s3": "see docs/reference/storages.md",
    "key": "make a key in your account there, and register it with `engine keys add`",
}
