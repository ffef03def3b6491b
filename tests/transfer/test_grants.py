"""Credentials on a node: grants for the attempt's claim first, then what its environment offers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.faulty_storage import FaultyStorage, redirect, status
from tests.services.granting import CLAIM, Granting, granting
from tests.transfer.conftest import DATA, Hands, LateSource
from wrappers import wire
from wrappers.transfer.addresses import Access, carried
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import HttpClient
from wrappers.transfer.credentials import Credentials, bearer_token, proxy_file
from wrappers.transfer.rounds import Exhausted


class Tokens:
    """Grants a new token for each want, and tells the storage of it."""

    def __init__(self, storage: FaultyStorage, lasting: float = 3600.0) -> None:
        self.storage = storage
        self.lasting = lasting
        self.good = True
        self.point: Granting
        self.given: list[str] = []

    def __call__(self, want: wire.Want) -> wire.Grant | str:
        if "secret" in want.url:
            return "not one of this attempt's files"
        token = f"token-{len(self.given)}"
        self.given.append(token)
        if self.good:
            self.storage.tokens = {*(self.storage.tokens or ()), token}
        self.good = True
        expires = self.point.now() + self.lasting if self.lasting else 0.0
        return wire.Grant(
            want.url, want.method, headers={"Authorization": f"Bearer {token}"}, expires=expires
        )


@pytest.fixture
def tokens(storage: FaultyStorage) -> Iterator[Tokens]:
    grants = Tokens(storage)
    storage.tokens = set()
    with granting(grants) as grants.point:
        yield grants


def test_a_file_is_fetched_and_stored_with_granted_tokens(
    hands: Hands, storage: FaultyStorage, tokens: Tokens
) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    hands.fetch(storage.url + "/data")
    assert hands.target.read_bytes() == DATA
    hands.store(DATA, storage.url + "/new")
    assert storage.files["/new"] == DATA
    assert [(want.method, want.url) for want in tokens.point.wants] == [
        ("GET", storage.url + "/data"),
        ("PUT", storage.url + "/new"),
    ]


def test_grants_for_many_files_are_asked_for_at_once(
    hands: Hands, storage: FaultyStorage, tokens: Tokens
) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    urls = [f"{storage.url}/{number}" for number in range(500)]
    for number in range(500):
        storage.files[f"/{number}"] = b"x"
    hands.mover.prepare([*urls, "file:///x"], "GET")
    for url in urls[::100]:
        hands.fetch(url)
    assert tokens.point.requests == 3
    assert len(tokens.point.wants) == 500


def test_a_token_that_is_refused_is_renewed_once(
    hands: Hands, storage: FaultyStorage, tokens: Tokens
) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    tokens.good = False
    hands.fetch(storage.url + "/data")
    assert hands.target.read_bytes() == DATA
    assert len(tokens.given) == 2
    assert hands.errors() == []


def test_a_token_that_ends_while_a_file_is_sent_is_renewed_and_the_file_verified(
    hands: Hands, storage: FaultyStorage, tokens: Tokens
) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    (hands.directory / "result").write_bytes(DATA)

    def end() -> None:
        storage.tokens = set()

    source = LateSource(hands.directory / "result", end)
    stored = hands.mover.store([storage.url + "/new"], source, hands.tried)
    assert stored.verified == "adler32"
    assert storage.files["/new"] == DATA
    assert len(tokens.given) == 2
    assert hands.errors() == []


def test_a_token_that_stays_refused_ends_it(hands: Hands, storage: FaultyStorage, tokens: Tokens) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    hands.mover.prepare([storage.url + "/data"], "GET")
    storage.always["GET"] = status(401)
    with pytest.raises(Exhausted, match="status 401"):
        hands.fetch(storage.url + "/data")
    assert len(tokens.given) == 2


def test_a_grant_is_renewed_before_its_end(hands: Hands, storage: FaultyStorage, tokens: Tokens) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    tokens.lasting = 30.0  # less than a minute
    hands.fetch(storage.url + "/data")
    hands.fetch(storage.url + "/data")
    assert len(tokens.given) == 2


@pytest.mark.parametrize("skew", [-86400.0, 86400.0])
def test_the_nodes_clock_may_be_a_day_off(
    hands: Hands, storage: FaultyStorage, tokens: Tokens, skew: float
) -> None:
    tokens.point.skew = skew
    hands.exchange_at(tokens.point.url, CLAIM)
    hands.fetch(storage.url + "/data")
    hands.fetch(storage.url + "/data")
    assert len(tokens.given) == 1  # good for an hour by the engine's own clock


def test_what_the_engine_refuses_is_told_with_its_reason(hands: Hands, tokens: Tokens) -> None:
    hands.exchange_at(tokens.point.url, CLAIM)
    with pytest.raises(Exhausted, match="not one of this attempt's files"):
        hands.fetch("s3://bucket/secret")


def test_a_claim_that_is_dead_opens_nothing(hands: Hands, storage: FaultyStorage, tokens: Tokens) -> None:
    hands.exchange_at(tokens.point.url, "another")
    with pytest.raises(Exhausted, match="the engine grants nothing"):
        hands.fetch(storage.url + "/data")
    assert "another" not in "".join(hands.errors())


def test_an_engine_that_is_away_for_a_moment_is_asked_again(
    hands: Hands, storage: FaultyStorage, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wrappers.transfer.exchange._REST_S", 0.0)
    hands.exchange_at(tokens.point.url, CLAIM)
    tokens.point.faults = [503]
    hands.fetch(storage.url + "/data")
    assert hands.target.read_bytes() == DATA
    assert "the engine grants nothing" in hands.errors()[0]


def test_public_files_do_not_need_the_engine(hands: Hands, storage: FaultyStorage, tokens: Tokens) -> None:
    storage.tokens = None
    hands.exchange_at(tokens.point.url, CLAIM)
    tokens.point.faults = [503] * 9
    hands.fetch(storage.url + "/data")
    assert hands.target.read_bytes() == DATA


def test_a_granted_url_is_used_in_place_of_the_named_one(hands: Hands, storage: FaultyStorage) -> None:
    def presigned(want: wire.Want) -> wire.Grant:
        return wire.Grant(want.url, want.method, use=f"{storage.url}/data?X-Amz-Signature=verysecret")

    with granting(presigned) as point:
        hands.exchange_at(point.url, CLAIM)
        fetched = hands.fetch("s3://bucket/key")
        assert fetched.url == "s3://bucket/key"
        storage.faults["GET"] = []
        del storage.files["/data"]
        with pytest.raises(Exhausted) as caught:
            hands.fetch("s3://bucket/key")
    assert "verysecret" not in str(caught.value) + "".join(hands.errors())
    assert "status 404" in str(caught.value)


def test_a_token_never_goes_to_another_server(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage, tokens: Tokens
) -> None:
    storage.tokens = None
    storage.faults["GET"] = [redirect(other.url)]
    hands.exchange_at(tokens.point.url, CLAIM)
    hands.fetch(storage.url + "/data")
    assert "Authorization" in storage.seen[0][2]
    assert all("Authorization" not in headers for _, _, headers in other.seen)


def test_a_token_of_the_environment_is_not_sent_in_clear(
    hands: Hands, storage: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", "a-token-of-the-site")
    storage.tokens = {"a-token-of-the-site"}
    with pytest.raises(Exhausted, match="status 401"):
        hands.fetch(storage.url + "/data")
    assert all("Authorization" not in headers for _, _, headers in storage.seen)


def test_a_storage_gets_credentials_of_the_environment_only_once_it_wants_some() -> None:
    offered = {"BEARER_TOKEN": "token"}
    credentials = Credentials(None, offered)
    first = credentials.accesses("https://door.example.org/x", "GET")
    assert next(first).access == Access()
    assert next(first).access.headers == {"Authorization": "Bearer token"}  # it had refused
    second = credentials.accesses("https://door.example.org/y", "GET")
    assert next(second).access.headers == {"Authorization": "Bearer token"}
    assert next(credentials.accesses("https://elsewhere.example.org/y", "GET")).access == Access()


def test_tokens_are_found_as_the_specification_says(tmp_path: Path) -> None:
    named, run = tmp_path / "named", tmp_path / f"bt_u{os.getuid()}"
    environment = {"BEARER_TOKEN_FILE": str(named), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert bearer_token({}) == ""
    run.write_text("of-the-run\n")
    assert bearer_token(environment) == "of-the-run"
    named.write_text(" named \n")
    assert bearer_token(environment) == "named"
    assert bearer_token({**environment, "BEARER_TOKEN": "given"}) == "given"


def test_a_proxy_is_found(tmp_path: Path) -> None:
    proxy = tmp_path / "proxy"
    assert proxy_file({"X509_USER_PROXY": str(proxy)}) != str(proxy)
    proxy.write_text("")
    assert proxy_file({"X509_USER_PROXY": str(proxy)}) == str(proxy)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://door.example.org/y", "all"),
        ("https://door.example.org:8443/y", "certificate"),
        ("https://pool1.example.org/y", "certificate"),
        ("https://example.org/y", "nothing"),
        ("https://pool1.elsewhere.org/y", "nothing"),
        ("http://pool1.example.org/y", "nothing"),
        ("http://door.example.org/y", "nothing"),
    ],
)
def test_a_redirect_carries_only_what_gives_nothing_away(target: str, expected: str) -> None:
    access = Access({"Authorization": "Bearer x"}, "/proxy")
    kept = {"all": access, "certificate": Access({}, "/proxy"), "nothing": Access()}[expected]
    assert carried("https://door.example.org/x", target, access) == kept


def test_secrets_are_not_shown() -> None:
    assert "x" not in repr(Access({"Authorization": "xxx"}, "xxx")).replace("Access", "")
    assert isinstance(HttpClient(Budget(1.0)), HttpClient)
