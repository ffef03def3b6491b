"""A real Girder keeps the promises of every storage."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from engine.errors import BadRequest, EngineError
from engine.ports import Storage
from engine.storages.girder import GirderStorage
from engine.storages.sections import StorageSettings
from tests.services.girder import Girder
from tests.storages.remote import Make, RemoteContract, credential, port_of

pytestmark = pytest.mark.service


def settings_of(girder: Girder, directory: Path, key: str = "") -> StorageSettings:
    """The settings of a storage with the server's key, or with another one."""
    held = credential(directory, "key", key or girder.key)
    return StorageSettings(url=f"girder://{girder.host}", api=girder.api, credential=held)


def ask(storage: Storage, url: str, what: str, method: str = "GET", **query: str) -> Any:
    """What Girder itself answers."""
    grant = storage.presign(url, "GET", 60.0)
    words = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    request = urllib.request.Request(f"{grant.use}/{what}?{words}", headers=grant.headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def found_at(storage: Storage, url: str) -> dict[str, Any]:
    """What Girder says of an item or a folder."""
    found: dict[str, Any] = ask(storage, url, "resource/lookup", path=unquote(urlsplit(url).path))
    return found


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

    def labels(self, storage: Storage, url: str) -> Mapping[str, str]:
        return {**found_at(storage, url).get("meta", {})}

    def test_folders_carry_words_too(self, storage: Storage, base: str) -> None:
        storage.put(b"x", self.below(base, "dir", "a"))
        assert isinstance(storage, GirderStorage)
        storage.label({self.below(base, "dir"): {"engine_execution": "E"}})
        storage.label({self.below(base, "dir"): {"engine_pipeline": "tool/1"}})
        found = self.labels(storage, self.below(base, "dir"))
        assert found == {"engine_execution": "E", "engine_pipeline": "tool/1"}

    def test_an_item_with_several_files_is_refused_by_name(self, storage: Storage, base: str) -> None:
        url = self.below(base, "many.nii")
        storage.put(b"x", url)
        item = found_at(storage, url)
        ask(storage, url, "file", "POST", parentType="item", parentId=item["_id"], name="two", size="0")
        with pytest.raises(BadRequest, match=r"many\.nii: this item of Girder has 2 files"):
            storage.stat(url)
        assert isinstance(storage, GirderStorage)
        with pytest.raises(BadRequest, match=r"many\.nii: this item of Girder has 2 files"):
            storage.url_of_id(url, item["_id"])

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
