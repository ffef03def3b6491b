"""Tokens that somebody's session at an identity provider goes on giving (OAuth 2.0, RFC 6749, section 6).

They lie in a file that only the engine's account may read: never in the database, a log or an answer.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.clock import Clock
from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from engine.http import NoHttpAnswer, request
from engine.ports import CredentialKind
from engine.storages.credentials import BearerToken, Expires, Secret
from engine.storages.expiry import expiry_of_token
from wrappers.transfer.trust import Trust

NEAR_S = 60.0
"""Seconds before its end from which on a token is made anew."""
OFTEN_S = 240.0
"""Seconds after which a session is told, at the latest, that somebody still needs it."""


@dataclass(frozen=True, slots=True)
class _Held:
    access_token: str
    refresh_token: str
    client_id: str
    made_at: float = 0.0

    def __repr__(self) -> str:
        return "_Held(...)"


class RefreshedToken:
    """A credential that renews itself; see `CredentialSource`."""

    kind: CredentialKind = "token"

    def __init__(self, name: str, file: Path, url: str, authorities: str, clock: Clock) -> None:
        """`url`: the token end point of the provider."""
        self.name = name
        self._file = file
        self._url = url
        self._authorities = authorities
        self._clock = clock

    def current(self) -> BearerToken:
        """Return a token that is good for a while.

        Raises:
            NotFound: nobody gave one.
            CredentialExpired: the session has ended.
            Unavailable: the provider does not answer.
        """
        held = self._read()
        if self._left(held) <= NEAR_S:
            held = self._renewed(held)
        return BearerToken(Secret(held.access_token), Expires(expiry_of_token(held.access_token)))

    def seconds_left(self) -> float:
        """Return for how long the token is good."""
        return self._left(self._read())

    def keep_alive(self) -> None:
        """Renew the token when half of its life is over, so that the session does not end for want of use.

        Raises:
            CredentialExpired, Unavailable: as for `current`.
        """
        held = self._read()
        life = expiry_of_token(held.access_token) - held.made_at
        if held.refresh_token and self._clock.now() - held.made_at >= min(OFTEN_S, life / 2):
            self._renewed(held)

    def _left(self, held: _Held) -> float:
        return expiry_of_token(held.access_token) - self._clock.now()

    def _read(self) -> _Held:
        try:
            found = json.loads(self._file.read_text())
            return _Held(**{name: found[name] for name in _Held.__slots__})
        except FileNotFoundError:
            raise NotFound(f"no token is held for {self.name}", remedy="launch from the platform") from None
        except (OSError, ValueError, TypeError, KeyError):
            raise BadRequest(f"credential {self.name}: what is held cannot be read") from None

    def _renewed(self, before: _Held) -> _Held:
        with self._alone():
            held = self._read()
            if held != before and self._left(held) > NEAR_S:
                return held  # somebody else was faster
            if not held.refresh_token:
                raise self._ended("no refresh token was given")
            tokens = self._request(held)
            token = tokens.get("access_token")
            if not isinstance(token, str) or not token:
                raise Unavailable(f"{self.name}: its provider gives no token")
            fresh = _Held(
                token,
                str(tokens.get("refresh_token") or held.refresh_token),
                held.client_id,
                self._clock.now(),
            )
            self._write(fresh)
            return fresh

    def _request(self, held: _Held) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": held.refresh_token}
        if held.client_id:
            form["client_id"] = held.client_id
        try:
            answer = request(self._url, form=form, context=Trust(self._authorities).context())
        except NoHttpAnswer as error:
            raise Unavailable(f"{self.name}: its provider does not answer: {error}") from None
        if answer.status in (400, 401, 403):
            raise self._ended(f"its provider answers with status {answer.status}")
        if answer.status >= 300:
            raise Unavailable(f"{self.name}: its provider answers with status {answer.status}")
        return answer.fields() or {}

    def _ended(self, why: str) -> CredentialExpired:
        return CredentialExpired(
            f"the session at {self.name} has ended: {why}", remedy="launch it again from the platform"
        )

    def _write(self, held: _Held) -> None:
        part = self._file.with_name(f".{self._file.name}.part")
        with open(part, "w", opener=_private) as file:
            json.dump(asdict(held), file)
        os.replace(part, self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else renews it meanwhile: providers take a refresh token once."""
        with open(self._file.with_name(f".{self._file.name}.lock"), "w", opener=_private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
