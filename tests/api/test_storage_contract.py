"""The engine keeps files in the embedded storage with the code, and promises, of any WebDAV storage."""

from __future__ import annotations

import pytest

from engine.errors import BadRequest, CredentialExpired, EngineError
from engine.ports import Storage
from engine.storages.credentials import MadeToken
from engine.storages.http import HttpStorage
from engine.storages.sections import StorageSettings
from engine.testing.clock import FakeClock
from tests.api.conftest import House
from tests.storages.remote import Make, RemoteContract, port_of

pytestmark = pytest.mark.whole


class TestEmbedded(RemoteContract):
    @pytest.fixture
    def server(self, house: House) -> str:
        return house.url

    @pytest.fixture
    def port(self, house: House) -> int:
        return port_of(house.url)

    @pytest.fixture
    def make(self, house: House) -> Make:
        def storage(port: int, stall: float) -> HttpStorage:
            token = MadeToken("own", lambda: (house.token(), house.now + 3600), FakeClock(house.now))
            url = f"http://127.0.0.1:{port}/se"
            return HttpStorage(StorageSettings(url=url, credential=token, checksum="adler32", stall=stall))

        return storage

    def test_the_storages_own_checksum_is_asked_for(self, storage: Storage, base: str) -> None:
        storage.put(b"content", self.below(base, "a"))
        assert storage.checksum(self.below(base, "a"), "adler32") == "0bcb02fc"


def test_a_token_that_has_run_out_is_told_as_such(house: House) -> None:
    token = MadeToken("own", lambda: (house.token(seconds=-1), house.now + 3600), FakeClock(house.now))
    storage = HttpStorage(StorageSettings(url=house.url, credential=token))
    with pytest.raises((CredentialExpired, BadRequest)) as caught:
        storage.put(b"x", f"{house.url}/e/a")
    assert isinstance(caught.value, EngineError)
    assert token.current().value.reveal() not in str(caught.value)
