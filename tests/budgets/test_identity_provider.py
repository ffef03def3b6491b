"""A provider that hangs, and tokens that are worth nothing: whoever has a key waits for neither."""

from __future__ import annotations

import json
import socket
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest

from tests.cli.desk import desk_in, until
from tests.portal.house import House, portal

pytestmark = pytest.mark.whole

TOKENS = 60
FAR = 2**40


class Silent:
    """A provider that takes connections, and says nothing until it is told to."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.taken: list[socket.socket] = []
        self.thread = threading.Thread(target=self._take)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def _take(self) -> None:
        while True:
            one, _ = self.listening.accept()
            self.taken.append(one)
            if one.recv(1) == b"-":
                return

    def stop(self) -> None:
        with socket.create_connection(self.listening.getsockname()[:2]) as last:
            last.sendall(b"-")
            self.thread.join()
        for one in (*self.taken, self.listening):
            one.close()


@pytest.fixture(scope="module")
def provider() -> Iterator[Silent]:
    provider = Silent()
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, provider: Silent) -> Iterator[House]:
    """A portal that believes it."""
    issuers = json.dumps({"silent": {"url": provider.url, "audience": "engine"}})
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, {"ENGINE_PORTAL__ISSUERS": issuers}) as house,
    ):
        yield house


def token(provider: Silent, **more: object) -> str:
    claims = {"iss": provider.url, "aud": "engine", "sub": "s", "exp": FAR, **more}
    parts = [{"alg": "RS256", "kid": "one"}, claims]
    text = [urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts]
    return ".".join([*text, "c2ln"])


def test_sixty_tokens_of_a_provider_that_hangs_hold_up_a_few_of_each_other(
    house: House, provider: Silent
) -> None:
    told: list[int] = []

    def show() -> None:
        answer = house.ask("GET", "/executions", user="", Authorization=f"Bearer {token(provider)}")
        told.append(answer.status)

    threads = [threading.Thread(target=show) for _ in range(TOKENS)]
    for one in threads:
        one.start()
    until(lambda: len(told) >= TOKENS - 4)
    for _ in range(10):
        assert house.ask("GET", "/executions").status == 200
    for one in threads:
        one.join()
    assert set(told) == {503}
    assert len(provider.taken) == 1


@pytest.mark.parametrize(
    "claims", [{"aud": "another"}, {"exp": 1}, {"sub": None}, {"iss": "https://x.example.org"}]
)
def test_a_token_that_cannot_be_good_asks_the_provider_nothing(
    house: House, provider: Silent, claims: dict[str, object]
) -> None:
    shown, before = token(provider, **claims), len(provider.taken)
    assert house.ask("GET", "/executions", user="", Authorization=f"Bearer {shown}").status == 401
    assert len(provider.taken) == before
