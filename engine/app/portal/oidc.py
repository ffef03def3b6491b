"""Bearer tokens of identity providers (OpenID Connect Core 1.0, RFC 9068): checked against the keys that the
provider publishes, for our audience, and only with signatures that need its private key.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from engine.app.portal.users import Users
from engine.clock import Clock
from engine.domain.account import Account
from engine.errors import Unavailable
from engine.settings.service import IssuerSection

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Never `none`, and never one with a shared secret: a public key would be taken for it."""
LEEWAY = 60
"""Seconds by which clocks may differ."""
_FRESH = 3600.0
_AGAIN = 60.0
_PATIENCE = 10.0
_LARGEST = 1 << 20


class Issuers:
    """The providers of the settings."""

    def __init__(self, sections: Mapping[str, IssuerSection], users: Users, clock: Clock) -> None:
        self._providers = {one.url: _Provider(one, clock) for one in sections.values()}
        self._users = users
        self._clock = clock

    def account(self, token: str) -> Account | None:
        """The account that a token opens; None when it opens none.

        Raises:
            Unavailable: the provider's keys cannot be had.
        """
        provider = self._providers.get(_issuer(token))
        claims = provider.claims(token) if provider else None
        if provider is None or claims is None:
            return None
        section = provider.section
        name = str(claims.get(section.name) or claims["sub"])
        return self._users.by_subject(section.url, str(claims["sub"]), name, create=section.create)


class _Provider:
    """One provider, and its keys as they were last read."""

    def __init__(self, section: IssuerSection, clock: Clock) -> None:
        self.section = section
        self._clock = clock
        self._lock = Lock()
        self._keys: KeySet | None = None
        self._read_at = 0.0

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """What a token says; None when it is not good. Keys may have changed since they were read."""
        for oldest in (_FRESH, _AGAIN):
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

    def _registry(self) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(self._clock.now()),
            leeway=LEEWAY,
            iss={"essential": True, "value": self.section.url},
            aud={"essential": True, "value": self.section.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _fresh(self, oldest: float) -> KeySet:
        with self._lock:
            if self._keys is None or self._clock.now() - self._read_at > oldest:
                self._keys = self._read()
                self._read_at = self._clock.now()
            return self._keys

    def _read(self) -> KeySet:
        url = self.section.url.rstrip("/")
        try:
            described = self._get(f"{url}/.well-known/openid-configuration")
            keys = str(described["jwks_uri"])
            if urlsplit(keys).scheme != urlsplit(url).scheme:
                raise ValueError("its keys are on another kind of place")
            return KeySet.import_key_set(self._get(keys))  # type: ignore[arg-type]
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            raise Unavailable(f"the identity provider {url}: its keys cannot be read: {error}") from None

    def _get(self, url: str) -> dict[str, Any]:
        context = ssl.create_default_context(cafile=self.section.authorities or None)
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))
        with opener.open(url, timeout=_PATIENCE) as answer:
            found = json.loads(answer.read(_LARGEST))
        if not isinstance(found, dict):
            raise TypeError("an object is needed")
        return found


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys are taken from where the provider says, not from where somebody on the way sends us."""

    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


def _issuer(token: str) -> str:
    """Whom a token claims to be from; nothing of it is believed yet."""
    try:
        payload = token.split(".")[1]
        fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(fields["iss"])
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return ""
