"""One portal for all tests of a file; they work in directories of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.portal.house import House, portal


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Where an administrator types commands."""
    with desk_in(tmp_path) as desk:
        yield desk


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A portal. At its end its log is looked at: no defect, and nobody's key."""
    with desk_in(tmp_path_factory.mktemp("portal")) as desk:
        with portal(desk) as house:
            yield house
        log = house.log.read_text()
        assert "defect" not in log, log
        assert not [name for name, key in house.keys.items() if key in log]
