"""Places where images are published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.cvmfs_deploy.site import Site, cvmfs_site, directory_site
from tests.services.cvmfs import Cvmfs, start_cvmfs
from tests.services.faults import Faults, faulty
from tests.services.registry import Registry
from tests.services.unprivileged import Unprivileged


@pytest.fixture
def cvmfs(tmp_path: Path) -> Iterator[Cvmfs]:
    """A machine with a repository, by the stand-in for `cvmfs_server`."""
    with start_cvmfs(tmp_path / "stratum0") as running:
        yield running


@pytest.fixture
def directory(tmp_path: Path) -> Site:
    """A shared directory."""
    return directory_site(_home(tmp_path))


@pytest.fixture
def repository(tmp_path: Path, cvmfs: Cvmfs) -> Site:
    """A CVMFS repository."""
    return cvmfs_site(_home(tmp_path), cvmfs)


@pytest.fixture
def ordinary_repository(unprivileged: Unprivileged) -> Iterator[Site]:
    """A CVMFS repository that belongs to somebody who is not root, and the owner who publishes."""
    top, home = unprivileged.directory / "stratum0", _home(unprivileged.directory)
    with start_cvmfs(top, unprivileged) as running:
        site = cvmfs_site(home, running)
        unprivileged.give(home)
        yield replace(site, become=unprivileged.command([]))


@pytest.fixture(params=["repository", "ordinary_repository"])
def any_repository(request: pytest.FixtureRequest) -> Site:
    """A CVMFS repository of root, on real mounts, and one of an ordinary owner."""
    found: Site = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["directory", "repository"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each kind of place in turn."""
    found: Site = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def faults(registry: Registry) -> Iterator[Faults]:
    """A registry that misbehaves when told to, and counts."""
    with faulty(registry.host) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A user of the engine."""
    with desk_in(tmp_path) as desk:
        yield desk


@pytest.fixture
def ordinary_desk(unprivileged: Unprivileged) -> Iterator[Desk]:
    """A user who is not root."""
    with desk_in(unprivileged.directory, become=unprivileged.command) as desk:
        unprivileged.give(desk.directory, desk.home)
        yield desk


def _home(tmp_path: Path) -> Path:
    home = tmp_path / "admin"
    home.mkdir()
    return home
