"""A real Girder keeps the promises of every storage."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.ports import Storage
from engine.storages.girder import GirderStorage
from engine.storages.places import StorageSettings
from tests.services.girder import Girder
from tests.storages.remote import Make, RemoteContract, credential, port_of

pytestmark = pytest.mark.service


def settings_of(girder: Girder, directory: Path, key: str = "") -> StorageSettings:
    """The settings of a storage with the server's key, or with another one."""
    held = credential(directory, "key", key or girder.key)
    return StorageSettings(url=f"girder://{girder.host}", api=girder.api, credential=held)


class TestGirder(RemoteContract):
    @pytest.fixture
    def server(self, girder: Girder) -> str:
        return f"girder://{girder.host}/collection/tests"

    @pytest.fixture
    def port(self, girder: Girder) -> int:
        return port_of(girder.api)

    @pytest.fixture
    def make(self, girder: Girder, tmp_path_factory: pytest.TempPathFactory) -> Make:
        settings = settings_of(girder, tmp_path_factory.mktemp("keys"))
        return lambda port, stall: GirderStorage(
            replace(settings, api=f"http://127.0.0.1:{port}/api/v1", stall=stall)
        )

    def test_a_grant_opens_the_rest_interface(self, storage: Storage, base: str) -> None:
        storage.put(b"x", self.below(base, "a"))
        grant = storage.presign(self.below(base, "a"), "GET", 60.0)
        request = urllib.request.Request(f"{grant.use}/user/me", headers=grant.headers)
        with urllib.request.urlopen(request) as answer:
            assert b'"login": "admin"' in answer.read()

    def test_collections_and_users_are_directories(self, storage: Storage, girder: Girder) -> None:
        top = f"girder://{girder.host}"
        assert list(storage.list(top)) == ["collection", "user"]
        assert list(storage.list(f"{top}/collection")) == ["tests"]
        assert list(storage.list(f"{top}/user")) == ["admin"]


def test_a_wrong_key_is_told_as_such_and_not_shown(girder: Girder, tmp_path: Path) -> None:
    storage = GirderStorage(settings_of(girder, tmp_path, key="swordfish"))
    with pytest.raises(EngineError) as told:
        storage.stat(f"girder://{girder.host}/collection/tests")
    assert "swordfish" not in str(told.value)
