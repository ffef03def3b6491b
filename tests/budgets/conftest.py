"""A portal under attack, and one of its users who wants to go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.portal.house import House, portal


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal with room for 60 connections, as if they were a thousand, and little patience."""
    settings = {
        "ENGINE_API__CONNECTIONS": "60",
        "ENGINE_API__STALL": "5",
        "ENGINE_API__LEAST_RATE": "1000",
    }
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, settings) as house,
    ):
        yield house


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Where an administrator types commands."""
    with desk_in(tmp_path) as desk:
        yield desk
