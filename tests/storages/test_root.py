"""XRootD keeps the promises of every storage by its own protocol, too."""

from __future__ import annotations

import pytest

from engine.errors import BadRequest
from engine.ports import Storage
from engine.storages.root import RootStorage
from engine.storages.sections import StorageSettings
from tests.services.xrootd import XRootD, start_xrootd
from tests.storages.remote import XROOTD_NAMES, Make, RemoteContract, port_of

pytestmark = pytest.mark.service


class TestRoot(RemoteContract):
    ODD_NAMES = XROOTD_NAMES
    QUICK = 2.0
    FAR = 5.0  # its library waits for so long before it connects anew

    @pytest.fixture
    def server(self, xrootd: XRootD) -> str:
        return xrootd.root

    @pytest.fixture
    def port(self, xrootd: XRootD) -> int:
        return port_of(xrootd.root)

    @pytest.fixture
    def make(self) -> Make:
        return lambda port, stall: RootStorage(StorageSettings(url=f"root://127.0.0.1:{port}/", stall=stall))

    @pytest.mark.parametrize("name", ["what?", "new\nline"])
    def test_a_name_that_it_cannot_keep_is_refused(self, storage: Storage, base: str, name: str) -> None:
        with pytest.raises(BadRequest, match="question mark or a line break"):
            storage.put(b"x", self.below(base, name))

    def test_its_own_checksum_is_asked_for(self, storage: Storage, base: str) -> None:
        storage.put(b"content", self.below(base, "a"))
        assert storage.checksum(self.below(base, "a"), "adler32") == "0bcb02fc"


def test_a_server_that_died_between_requests_is_not_noticed() -> None:
    with start_xrootd() as mortal:
        storage, url = RootStorage(), f"{mortal.root}/a"
        storage.put(b"x", url)
        mortal.crash()
        storage.put(b"y", url)
        assert storage.read(url) == b"y"
