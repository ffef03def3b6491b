"""What every test may ask for. Services are real, started on first use, one set per test process."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.testing.clock import FakeClock
from tests.services.diracx import Diracx, start_diracx, start_site
from tests.services.docker_engine import remove_containers, start_docker_engine
from tests.services.girder import Girder, start_girder
from tests.services.images import push_busybox, push_dcm2niix
from tests.services.legacy.server import Dirac, start_dirac
from tests.services.nginx import Nginx, start_nginx
from tests.services.postgres import Postgres, start_postgres
from tests.services.registry import Registry, start_registry
from tests.services.s3 import S3, start_moto, start_rclone_s3
from tests.services.unprivileged import Unprivileged, ordinary_user
from tests.services.xrootd import XRootD, start_xrootd

pytest_plugins = ["tests.debris", "tests.session_home", "tests.time_limits", "tests.whole"]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "tests"
"""For what is slow to obtain; kept from run to run."""


# Whoever starts the tests in the background may have set signals to be ignored, and every program that a test
# starts would inherit that: Ctrl-C and a lost terminal would mean nothing to it.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) == signal.SIG_IGN:
        ordinary = signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        signal.signal(_number, ordinary)

# A machine with other work is no reason for a property to fail.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# make check asks for it: a property is tried with fewer examples than by make test.
settings.register_profile("quick", settings.get_profile("any machine"), max_examples=25)
settings.load_profile("any machine")

FIRST = (
    "reconcile/test_crashes",
    "backends/test_diracx.py",  # without test_diracx_faults.py, which would wait for the same installation
    "cvmfs_deploy/whole/test_mounts",
    "packaging/",
    "demo/",
    "upgrade/",
)
"""What takes a minute with a few tests begins first, so that no worker is left alone with it at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put those tests first that take longest."""
    tests = Path(__file__).parent
    paths = {item: item.path.relative_to(tests).as_posix() for item in items}
    items.sort(key=lambda item: [not paths[item].startswith(first) for first in FIRST])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything can be installed (CI=true), a test that skips its service has failed."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and os.environ.get("CI") == "true" and item.get_closest_marker("service"):
        report.outcome = "failed"
        report.longrepr = f"skipped although its service can be installed: {report.longrepr}"
    return report


def processes_of(directory: Path) -> list[int]:
    """The processes that were started with a path in this directory as an argument."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{directory}/".encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def processes_at(home: Path) -> list[int]:
    """The processes that were started with this home: background engines are among them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home directory of one's own: nothing that a test does reaches the real one.

    What still runs from it when the test is over is ended: a serving wrapper outlives its engine on purpose,
    and so does a background engine its command.
    """
    directory = tmp_path / "home"
    places = {
        "HOME": directory,
        "XDG_DATA_HOME": directory / ".local/share",
        "XDG_STATE_HOME": directory / ".local/state",
        "XDG_CACHE_HOME": directory / ".cache",
        "XDG_CONFIG_HOME": directory / ".config",
    }
    for name, path in places.items():
        path.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    yield directory
    for process in {*processes_of(directory), *processes_at(directory)} - {os.getpid()}:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def unprivileged() -> Iterator[Unprivileged]:
    """An ordinary user to run programs as."""
    with ordinary_user() as user:
        yield user


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A container registry on loopback; needs the mark `service`."""
    with start_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def busybox_image(registry: Registry) -> str:
    """The reference of a small image with a shell; needs the mark `service`."""
    return push_busybox(registry)


@pytest.fixture(scope="session")
def dcm2niix_image(registry: Registry) -> str:
    """The reference of an image with a real imaging tool; needs the mark `service`."""
    return push_dcm2niix(registry, CACHE)


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Docker engine, as DOCKER_HOST names it; needs the mark `service`, and root to start it."""
    if os.geteuid() != 0:
        pytest.skip("a Docker engine is started by root only")
    with start_docker_engine(tmp_path_factory.mktemp("docker")) as address:
        yield address


@pytest.fixture
def own_containers(docker_host: str) -> Iterator[None]:
    """What a failed test leaves in the Docker engine fails no test that looks whether it is empty."""
    yield
    remove_containers(docker_host)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; needs the mark `service`."""
    with start_postgres() as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The SQLAlchemy URL of a new, empty PostgreSQL database; needs the mark `service`."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def nginx() -> Iterator[Nginx]:
    """A WebDAV server; needs the mark `service`."""
    with start_nginx() as running:
        yield running


@pytest.fixture(scope="session")
def xrootd() -> Iterator[XRootD]:
    """A storage element that speaks root:// and http://; needs the mark `service`."""
    with start_xrootd() as running:
        yield running


@pytest.fixture(scope="session")
def rclone_s3() -> Iterator[S3]:
    """An S3 service that checks signatures; needs the mark `service`."""
    with start_rclone_s3() as running:
        yield running


@pytest.fixture(scope="session")
def moto() -> Iterator[S3]:
    """An S3 service that knows most of the interface; needs the mark `service`."""
    with start_moto() as running:
        yield running


@pytest.fixture(scope="session")
def girder() -> Iterator[Girder]:
    """A data platform with a REST interface; needs the mark `service`."""
    with start_girder() as running:
        yield running


@pytest.fixture(scope="session")
def diracx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diracx]:
    """A DiracX server; needs the mark `service`. Nobody runs its jobs."""
    with start_diracx(tmp_path_factory.mktemp("diracx")) as running:
        yield running


@pytest.fixture(scope="session")
def diracx_site(diracx: Diracx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Diracx]:
    """The same server, and a site that runs its jobs on this machine; needs the mark `service`."""
    with start_site(diracx, tmp_path_factory.mktemp("site")):
        yield diracx


@pytest.fixture(scope="session", params=[pytest.param(9, id="DIRAC-9"), pytest.param(8, id="DIRAC-8")])
def dirac(request: pytest.FixtureRequest) -> Iterator[Dirac]:
    """A whole DIRAC with two pilots, with 9 goes DiracX; needs the marks `service` and `dirac_grid`.

    All tests with the one come before those with the other, which starts when the first is gone.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends it, everything is put away
    with start_dirac(request.param, requests=False) as running:
        yield running
