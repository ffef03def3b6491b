"""Bearer tokens of an identity provider: a real one on loopback, with keys that change."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from engine.app.access.key import Key
from engine.app.portal.administration import Administration
from engine.app.portal.audit import AuditTrail
from engine.app.portal.oidc import Issuers
from engine.app.portal.users import Users
from engine.domain.account import Account
from engine.errors import Unavailable
from engine.settings.service import IssuerSection
from engine.store.database import Database
from engine.testing.clock import FakeClock
from tests.portal.provider import Provider

pytestmark = pytest.mark.whole

KEY = Key(b"k" * 32)


@pytest.fixture
def provider(clock: FakeClock) -> Iterator[Provider]:
    provider = Provider(clock)
    yield provider
    provider.stop()


@pytest.fixture
def users(tmp_path: Path, provider: Provider) -> Iterator[Users]:
    db = Database(f"sqlite:///{tmp_path / 'engine.db'}")
    yield Users(db, lambda: KEY, provider.clock, AuditTrail(db, lambda: KEY, provider.clock))
    db.close()


@pytest.fixture
def administration(tmp_path: Path, users: Users, provider: Provider) -> Iterator[Administration]:
    db = Database(f"sqlite:///{tmp_path / 'engine.db'}")
    trail = AuditTrail(db, lambda: KEY, provider.clock)
    yield Administration(db, trail, provider.clock, "local:0")
    db.close()


def issuers(provider: Provider, users: Users, **more: Any) -> Issuers:
    section = IssuerSection(url=provider.url, audience="engine", **more)
    return Issuers({"it": section}, users, provider.clock)


def test_a_good_token_opens_the_same_account_each_time(provider: Provider, users: Users) -> None:
    door = issuers(provider, users)
    first = door.account(provider.token())
    assert isinstance(first, Account)
    assert first.name == "zo__k"  # of "zoë k": new names are in letters that nobody mistakes
    assert door.account(provider.token(preferred_username="renamed")) == first
    other = door.account(provider.token(sub="0002"))
    assert other is not None
    assert other.id != first.id
    assert other.name != first.name
    assert provider.asked == 2


def test_a_first_visit_leaves_a_line_in_the_audit_trail(
    tmp_path: Path, provider: Provider, users: Users
) -> None:
    found = issuers(provider, users).account(provider.token())
    assert found is not None
    db = Database(f"sqlite:///{tmp_path / 'engine.db'}")
    trail = AuditTrail(db, lambda: KEY, provider.clock)
    [line] = trail.lines()
    assert (line["account"], line["action"], line["status"]) == (found.id, "user.add", "first visit")
    assert not list(trail.problems())
    db.close()


def test_nobody_takes_over_a_local_account_by_its_name(
    provider: Provider, users: Users, administration: Administration
) -> None:
    local, _ = administration.add_user("ann")
    found = issuers(provider, users).account(provider.token(preferred_username="ann"))
    assert found is not None
    assert found.id != local.id


def test_without_create_only_known_people_come_in(provider: Provider, users: Users) -> None:
    assert issuers(provider, users, create=False).account(provider.token()) is None


def test_a_locked_account_stays_outside(
    provider: Provider, users: Users, administration: Administration
) -> None:
    door = issuers(provider, users)
    found = door.account(provider.token())
    assert found is not None
    administration.change_user(found.name, locked=True)
    assert door.account(provider.token()) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://another.example.org"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"nbf": 10**11},
    ],
)
def test_a_token_for_others_or_of_another_time_opens_nothing(
    provider: Provider, users: Users, claims: dict[str, Any]
) -> None:
    assert issuers(provider, users).account(provider.token(**claims)) is None


def test_a_signature_of_another_key_opens_nothing(provider: Provider, users: Users) -> None:
    forged = provider.token(RSAKey.generate_key(2048, {"kid": "one"}))
    assert issuers(provider, users).account(forged) is None


def test_the_public_key_is_never_taken_for_a_shared_secret(provider: Provider, users: Users) -> None:
    _, payload, _ = provider.token().split(".")
    header = _base64(b'{"alg":"HS256","kid":"one"}')
    signed = f"{header}.{payload}"
    signature = hmac.digest(provider.key.as_pem(private=False), signed.encode(), "sha256")
    assert issuers(provider, users).account(f"{signed}.{_base64(signature)}") is None


@pytest.mark.parametrize(
    "token", ["", ".", "a.b.c", "..", "e30.e30.", "e30." + "W1s" * 40_000 + ".x", "\ud800"]
)
def test_what_is_no_token_opens_nothing(provider: Provider, users: Users, token: str) -> None:
    assert issuers(provider, users).account(token) is None


def test_a_token_without_a_signature_opens_nothing(provider: Provider, users: Users) -> None:
    _, payload, _ = provider.token().split(".")
    header = _base64(b'{"alg":"none"}')
    assert issuers(provider, users).account(f"{header}.{payload}.") is None


def test_new_keys_of_the_provider_are_found_and_it_is_not_asked_at_every_turn(
    provider: Provider, users: Users, clock: FakeClock
) -> None:
    door = issuers(provider, users)
    assert door.account(provider.token())
    provider.key = RSAKey.generate_key(2048, {"kid": "two"})
    for _ in range(3):
        assert door.account(provider.token()) is None
    assert provider.asked == 2
    clock.advance(120)
    assert door.account(provider.token())


def test_a_provider_that_does_not_answer_is_told_as_such(provider: Provider, users: Users) -> None:
    section = IssuerSection(url="http://127.0.0.1:9/realm", audience="engine")
    door = Issuers({"it": section}, users, provider.clock)
    with pytest.raises(Unavailable, match="identity provider"):
        door.account(provider.token(iss=section.url))


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "OKP", "crv": "of tomorrow", "kid": "a", "x": "AA"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "a"},
        {"kty": "EC", "crv": "of tomorrow", "kid": "a", "x": "AA", "y": "AA"},
        {"kty": "RSA", "n": "AA", "e": "AQAB", "kid": "a"},
        {"kty": "RSA", "n": "AA", "e": "AQAB", "kid": 1},
        {"kty": ["RSA"]},
        None,
        "text",
    ],
)
def test_a_key_that_nobody_can_read_shuts_nobody_out(provider: Provider, users: Users, key: Any) -> None:
    provider.more = [key]
    assert issuers(provider, users).account(provider.token())


@pytest.mark.parametrize(
    "subject", ["\ud800", "a\0b", "x" * 256, "zo\u00eb", "a\nb", "", " " * 300, 1, {"a": 1}]
)
def test_a_subject_that_is_none_opens_nothing(provider: Provider, users: Users, subject: Any) -> None:
    claims = {"iss": provider.url, "aud": "engine", "sub": subject, "exp": int(provider.clock.now() + 300)}
    signed = jws.serialize_compact(
        {"alg": "RS256", "kid": "one"}, json.dumps(claims).encode("ascii"), provider.key
    )
    assert issuers(provider, users).account(signed) is None


def test_a_provider_whose_answer_does_not_end_keeps_no_thread(provider: Provider, users: Users) -> None:
    provider.drips.set()
    with pytest.raises(Unavailable, match="identity provider"):
        issuers(provider, users).account(provider.token())
    assert provider.left.wait(60)
    provider.drips.clear()


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
