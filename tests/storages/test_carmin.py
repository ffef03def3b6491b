"""Another platform that speaks CARMIN-Data keeps the promises of every storage; a stand-in of our own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import CredentialExpired
from engine.storages.carmin import CarminStorage
from engine.storages.sections import StorageSettings
from tests.services.carmin_stand_in import CarminStandIn, start_carmin_stand_in
from tests.storages.remote import Make, RemoteContract, credential, port_of


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CarminStandIn]:
    with start_carmin_stand_in(tmp_path_factory.mktemp("carmin")) as running:
        yield running


class TestCarminStandIn(RemoteContract):
    moves = False

    @pytest.fixture
    def server(self, platform: CarminStandIn) -> str:
        return f"carmin://{platform.host}"

    @pytest.fixture
    def port(self, platform: CarminStandIn) -> int:
        return port_of(platform.api)

    @pytest.fixture
    def make(self, platform: CarminStandIn, tmp_path_factory: pytest.TempPathFactory) -> Make:
        held = credential(tmp_path_factory.mktemp("keys"), "key", platform.key)
        settings = StorageSettings(url=f"carmin://{platform.host}", credential=held)
        return lambda port, stall: CarminStorage(
            replace(settings, api=f"http://127.0.0.1:{port}/rest", stall=stall)
        )


def test_a_wrong_key_is_told_as_such_and_not_shown(platform: CarminStandIn, tmp_path: Path) -> None:
    held = credential(tmp_path, "key", "swordfish")
    storage = CarminStorage(StorageSettings(url="carmin://x", api=platform.api, credential=held))
    with pytest.raises(CredentialExpired) as told:
        storage.stat(f"carmin://{platform.host}/a")
    assert "swordfish" not in str(told.value)
