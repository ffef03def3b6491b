"""Bearer tokens of identity providers (OpenID Connect Core 1.0, RFC 9068): checked against the keys that the
provider publishes, for our audience, and only with signatures that need its private key.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from threading import BoundedSemaphore, Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from engine.app.portal.users import Users
from engine.clock import Clock
from engine.domain.account import Account
from engine.errors import Unavailable
from engine.http import request
from engine.jwt import claims as unverified
from engine.jwt import header
from engine.settings.service import IssuerSection

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Never `none`, and never one with a shared secret: a public key would be taken for it."""
LEEWAY_S = 60
"""Seconds by which clocks may differ."""
_FRESH_S = 3600.0
_RETRY_INTERVAL_S = 60.0
_OLDEST_S = 86_400.0
"""Seconds for which keys are good while their provider does not answer."""
_TIMEOUT_S = 10.0
_WAITING = 4
"""Requests that wait for keys at a time; others are told to come again."""
_SUBJECT = re.compile(r"[\x20-\x7e]{1,255}")
"""As OpenID Connect Core 1.0 has it, section 2."""


class Issuers:
    """The providers of the settings."""

    def __init__(self, sections: Mapping[str, IssuerSection], users: Users, clock: Clock) -> None:
        self._providers = {one.url: _Provider(one, clock) for one in sections.values()}
        self._users = users
        self._groups = users.provided(sections)
        self._clock = clock

    def account(self, token: str) -> Account | None:
        """Find the account that a token opens; None when it opens none.

        Raises:
            Unavailable: the provider's keys cannot be had.
        """
        provider = self._providers.get(str(unverified(token).get("iss", "")))
        claims = provider.claims(token) if provider else None
        if provider is None or claims is None:
            return None
        section, subject = provider.section, str(claims["sub"])
        if not _SUBJECT.fullmatch(subject):
            return None
        name = str(claims.get(section.name) or subject)
        found = self._users.by_subject(section.url, subject, name, create=section.create)
        return self._groups.follow(found, section, claims) if found else None


class _Provider:
    """A provider with its keys as they were last read. They are read in a thread of their own: a provider
    that hangs holds up a few who wait for them, and nobody for longer than `_TIMEOUT_S`.
    """

    def __init__(self, section: IssuerSection, clock: Clock) -> None:
        self.section = section
        self._clock = clock
        self._lock = Lock()
        self._keys: KeySet | None = None
        self._read_at = self._failed_at = float("-inf")
        self._why = ""
        self._reading: Future[KeySet] | None = None
        self._waiting = BoundedSemaphore(_WAITING)

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Read the claims of a token; None when it is not good. Keys may have changed since they were
        read.
        """
        if not self._may_be_good(token):
            return None  # it costs nobody a look at the keys
        for oldest in (_FRESH_S, _RETRY_INTERVAL_S):
            keys = self._fresh(oldest)
            try:
                found = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
                self._registry().validate(found)
            except (JoseError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
                continue
            except RecursionError:
                return None
            return found
        return None

    def _may_be_good(self, token: str) -> bool:
        """Say whether anything but its signature speaks for a token."""
        payload = unverified(token)
        try:
            self._registry().validate(payload)
        except (JoseError, ValueError, KeyError, TypeError):
            return False
        return header(token).get("alg") in ALGORITHMS

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.section.url},
            aud={"essential": True, "value": self.section.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _fresh(self, oldest: float) -> KeySet:
        """Keys that were read within so many seconds; older ones where the provider does not answer.

        Raises:
            Unavailable: there are none.
        """
        with self._lock:
            now = self._clock.now()
            kept = self._keys if now - self._read_at <= _OLDEST_S else None
            if kept is not None and now - self._read_at <= oldest:
                return kept
            if now - self._failed_at < _RETRY_INTERVAL_S:
                return self._or_unavailable(kept)
            if self._reading is None:
                self._reading = Future()
                Thread(target=self._read_into, args=(self._reading,), name="keys", daemon=True).start()
            reading = self._reading
        if not self._waiting.acquire(blocking=False):
            return self._or_unavailable(kept)
        try:
            return reading.result(_TIMEOUT_S)
        except (Unavailable, TimeoutError) as error:
            with self._lock:
                self._failed_at = self._clock.now()
                self._why = error.message if isinstance(error, Unavailable) else "it does not answer"
                if self._reading is reading:
                    self._reading = None
            return self._or_unavailable(kept)
        finally:
            self._waiting.release()

    def _or_unavailable(self, kept: KeySet | None) -> KeySet:
        if kept is None:
            why = self._why or "they are being read"
            raise Unavailable(f"the identity provider {self.section.url}: its keys cannot be read: {why}")
        return kept

    def _read_into(self, reading: Future[KeySet]) -> None:
        try:
            keys = self._read()
        except Unavailable as error:
            reading.set_exception(error)
            return
        except BaseException as error:
            reading.set_exception(Unavailable(str(error)))
            raise
        with self._lock:
            self._keys, self._read_at = keys, self._clock.now()
            if self._reading is reading:
                self._reading = None
        reading.set_result(keys)

    def _read(self) -> KeySet:
        url = self.section.url.rstrip("/")
        try:
            described = self._get(f"{url}/.well-known/openid-configuration")
            keys = str(described["jwks_uri"])
            if urlsplit(keys).scheme != urlsplit(url).scheme:
                raise ValueError("its keys are at another kind of URL")
            return _readable(self._get(keys)["keys"])
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            raise Unavailable(str(error)) from None

    def _get(self, url: str) -> dict[str, Any]:
        context = ssl.create_default_context(cafile=self.section.authorities or None)
        answer = request(url, context=context, timeout=_TIMEOUT_S, within=_TIMEOUT_S)
        found = answer.fields()
        if answer.status != 200 or found is None:
            raise ValueError(f"{url} answers with status {answer.status}, and an object is needed")
        return found


def _readable(documents: Any) -> KeySet:
    """Select the keys that can be read, for signatures: others are nobody's business here (RFC 7517, section
    5).

    Raises:
        ValueError: there is none.
    """
    keys = []
    for one in documents if isinstance(documents, list) else []:
        with suppress(JoseError, ValueError, LookupError, TypeError, AttributeError):
            keys.append(JWKRegistry.import_key(one))
    if not keys:
        raise ValueError("none of its keys can be read")
    return KeySet(keys)
