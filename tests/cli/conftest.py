"""Desks for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.anywhere import RUNTIMES, Anywhere
from tests.cli.desk import Desk, desk_in
from tests.node.conftest import site, wrapper  # noqa: F401 - fixtures
from tests.services.proot import proot_for_tests
from tests.services.unprivileged import Unprivileged, ordinary_user


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


@pytest.fixture(params=[f"{user}-{runtime}" for user in ("root", "user") for runtime in RUNTIMES])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Anywhere]:
    """Root and an ordinary user, on each runtime; needs the mark `service`."""
    user, _, runtime = request.param.partition("-")
    image = None if runtime == "none" else request.getfixturevalue("busybox_image")
    environment = {}
    if runtime == "docker":
        environment["DOCKER_HOST"] = request.getfixturevalue("docker_host")
    with ExitStack() as stack:
        if user == "root":
            desk = stack.enter_context(desk_in(tmp_path, environment=environment))
        else:
            other = stack.enter_context(ordinary_user())
            desk = stack.enter_context(
                desk_in(other.directory, become=other.command, environment=environment)
            )
            other.give(desk.directory, desk.home)
        if runtime == "udocker":
            environment["ENGINE_NODE__PROOT"] = str(proot_for_tests(desk.home.parent))
        yield Anywhere(desk, runtime, image)


@pytest.fixture(params=["desk", "ordinary_desk"])
def each_desk(request: pytest.FixtureRequest) -> Desk:
    """The desk of root, and that of somebody else."""
    desk: Desk = request.getfixturevalue(request.param)
    return desk
