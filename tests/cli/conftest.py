"""Desks for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.services.unprivileged import Unprivileged


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A user who has never typed `engine` before."""
    with desk_in(tmp_path) as desk:
        yield desk


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for all tests of a file: for those that only look."""
    with desk_in(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


@pytest.fixture
def ordinary_desk(unprivileged: Unprivileged) -> Iterator[Desk]:
    """The desk of somebody who is not root."""
    with desk_in(unprivileged.directory, become=unprivileged.command) as desk:
        unprivileged.give(desk.directory, desk.home)
        yield desk
