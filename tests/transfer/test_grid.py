"""The grid's own ways on a node: proxies of a virtual organisation, tokens, redirects, gfal-copy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ids import new_id
from tests.services.debian import require
from tests.services.granting import CLAIM, granting
from tests.services.grid import Element, start_element, start_redirector
from tests.transfer.conftest import DATA, STALL, Hands, LateSource, sums
from wrappers import wire
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected
from wrappers.transfer.rounds import Exhausted, Pace

pytestmark = [pytest.mark.service, pytest.mark.storage_grid]

WRITE, READ = "storage.read:/ storage.create:/ storage.modify:/", "storage.read:/"
_SHORT = 5.0
"""Seconds for which a token is good that is to expire."""
KNOWN = Expected(len(DATA), {"adler32": sums(DATA)["adler32"]})


@pytest.fixture(scope="module")
def element() -> Iterator[Element]:
    with start_element() as running:
        yield running


@pytest.fixture(scope="module")
def redirector() -> Iterator[str]:
    with start_redirector() as url:
        yield url


@pytest.fixture
def trusting(hands: Hands, element: Element, monkeypatch: pytest.MonkeyPatch) -> Hands:
    """Hands that trust the element's authority."""
    monkeypatch.setenv("X509_CERT_DIR", str(element.pki.authorities))
    hands.mover.stop()
    transfers = wire.Transfers(stall=max(STALL, 5.0), budget=60.0)
    hands.mover = Mover(transfers, str(element.pki.authority), pace=Pace(rounds=2, base=0.01))
    return hands


def round_trip(hands: Hands, url: str) -> None:
    assert hands.store(DATA, url).verified == "adler32"
    hands.fetch(url, expected=KNOWN)
    assert hands.target.read_bytes() == DATA


@pytest.mark.parametrize("door", ["https", "root"])
def test_a_proxy_of_the_environment_opens_the_door(
    trusting: Hands, element: Element, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    monkeypatch.setenv("X509_USER_PROXY", str(element.pki.proxy()))
    round_trip(trusting, f"{getattr(element, door)}/{new_id()}")


def test_a_token_of_the_environment_opens_the_door(
    trusting: Hands, element: Element, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", element.issuer.token(WRITE))
    round_trip(trusting, f"{element.https}/{new_id()}")


def test_a_proxy_helps_where_a_token_does_not(
    trusting: Hands, element: Element, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", element.issuer.token(READ))
    monkeypatch.setenv("X509_USER_PROXY", str(element.pki.proxy()))
    round_trip(trusting, f"{element.https}/{new_id()}")


def test_nobody_gets_in_with_nothing(trusting: Hands, element: Element) -> None:
    with pytest.raises(Exhausted, match=r"status 40[13]") as caught:
        trusting.store(DATA, f"{element.https}/{new_id()}")
    assert caught.value.hopeless


def test_an_expired_token_is_replaced_by_a_granted_one(trusting: Hands, element: Element) -> None:
    url = f"{element.https}/{new_id()}"
    tokens = [element.issuer.token(WRITE, seconds=-60.0), element.issuer.token(WRITE)]

    def grant(want: wire.Want) -> wire.Grant:
        token = tokens.pop(0) if len(tokens) > 1 else tokens[0]
        return wire.Grant(want.url, want.method, headers={"Authorization": f"Bearer {token}"})

    with granting(grant) as point:
        trusting.mover.stop()
        trusting.mover = Mover(
            wire.Transfers(stall=5.0, budget=60.0),
            str(element.pki.authority),
            point.url,
            CLAIM,
            pace=Pace(rounds=2, base=0.01),
        )
        round_trip(trusting, url)


def test_a_token_that_expires_while_a_file_is_sent_is_replaced_by_a_granted_one(
    trusting: Hands, element: Element, tmp_path: Path
) -> None:
    tokens = [element.issuer.token(WRITE, seconds=_SHORT), element.issuer.token(WRITE)]

    def grant(want: wire.Want) -> wire.Grant:
        token = tokens.pop(0) if len(tokens) > 1 else tokens[0]
        return wire.Grant(want.url, want.method, headers={"Authorization": f"Bearer {token}"})

    (tmp_path / "result").write_bytes(DATA)
    with granting(grant) as point:
        trusting.mover.stop()
        transfers = wire.Transfers(stall=20.0, budget=120.0)
        authority, pace = str(element.pki.authority), Pace(rounds=2, base=0.01)
        trusting.mover = Mover(transfers, authority, point.url, CLAIM, pace=pace)
        source = LateSource(tmp_path / "result", lambda: time.sleep(_SHORT + 1))
        stored = trusting.mover.store([f"{element.https}/{new_id()}"], source, trusting.tried)
    assert stored.verified == "adler32"
    assert len(tokens) == 1


def test_an_authority_that_is_not_trusted_ends_it(hands: Hands, element: Element) -> None:
    with pytest.raises(Exhausted, match="TLS: certificate verify failed") as caught:
        hands.fetch(f"{element.https}/x")
    assert caught.value.hopeless


def test_a_proxy_that_is_renewed_while_files_move_is_read_again(
    trusting: Hands, element: Element, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = tmp_path / "proxy"
    monkeypatch.setenv("X509_USER_PROXY", str(proxy))
    proxy.write_bytes(element.pki.proxy("other.pem", vo="othervo").read_bytes())
    proxy.chmod(0o600)
    url = f"{element.https}/{new_id()}"
    with pytest.raises(Exhausted, match="status 403"):
        trusting.store(DATA, url)
    proxy.unlink()
    proxy.write_bytes(element.pki.proxy().read_bytes())
    proxy.chmod(0o600)
    round_trip(trusting, url)


def test_a_redirector_leads_to_the_server_that_has_the_file(hands: Hands, redirector: str) -> None:
    hands.mover.stop()
    hands.mover = Mover(wire.Transfers(stall=15.0, budget=120.0), pace=Pace(rounds=3, base=0.01))
    url = f"{redirector}/{new_id()}"
    round_trip(hands, url)


def test_gfal_copy_opens_root_doors_too(
    trusting: Hands, element: Element, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wrappers.transfer import root

    try:
        require("gfal-copy")
        for plugin in ("file", "xrootd"):
            require(f"/usr/lib/*/gfal2-plugins/libgfal_plugin_{plugin}.so")
    except RuntimeError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(root, "available", lambda: False)
    monkeypatch.setenv("GFAL_PYTHONBIN", "/usr/bin/python3")  # the one with Debian's modules
    monkeypatch.setenv("X509_USER_PROXY", str(element.pki.proxy()))
    url = f"{element.root}/{new_id()}"
    round_trip(trusting, url)
    with pytest.raises(Exhausted) as caught:
        trusting.fetch(f"{element.root}/nothing")
    assert caught.value.hopeless
