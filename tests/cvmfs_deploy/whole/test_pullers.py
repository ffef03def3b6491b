"""Layers are udocker's where udocker can, ours where it cannot, and believed by their digest only."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.debian import require
from tests.services.faults import Faults
from tests.services.images import push
from tests.services.registry import Registry

pytestmark = pytest.mark.service

LARGE = 300_000
BOTH = {"udocker": 2}


@pytest.fixture(autouse=True)
def curl() -> str:
    """What udocker fetches with."""
    return require("curl")


@pytest.fixture
def image(registry: Registry, faults: Faults) -> str:
    """An image of two layers behind the registry that misbehaves."""
    push(registry.url, "pullers/tool:1", [layer({"data": noise(LARGE)}), layer({"more": noise(1000, 2)})])
    return f"{faults.host}/pullers/tool:1"


def pulled(site: Site, image: str) -> dict[str, int]:
    """Publish it; who pulled how many layers."""
    ran = site.ok("add", image)
    assert (site.container(image) / "ROOT/data").read_bytes() == noise(LARGE)
    assert list((site.work / "layers/udocker").glob("*")) == []
    lines = [line for line in ran.err.splitlines() if "layer pulled" in line]
    return Counter(line.partition("by=")[2].split()[0] for line in lines)


def test_udocker_pulls_the_layers(directory: Site, image: str) -> None:
    assert pulled(directory, image) == BOTH


def test_our_own_client_pulls_them_when_that_is_set(directory: Site, image: str) -> None:
    directory.configure(puller="own")
    assert pulled(directory, image) == {"own": 2}


def test_a_registry_of_this_machine_is_asked_without_a_proxy(
    directory: Site, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert pulled(directory, image) == BOTH


def test_udocker_pulls_from_a_mirror(directory: Site, image: str, registry: Registry, faults: Faults) -> None:
    directory.configure(mirrors={registry.host: [faults.url]})
    assert pulled(directory, image.replace(faults.host, registry.host)) == BOTH
    assert faults.blobs == 3  # the configuration too


def test_udocker_pulls_where_anybody_gets_a_token(directory: Site, image: str, faults: Faults) -> None:
    faults.token = True
    assert pulled(directory, image) == BOTH


def test_udocker_follows_to_where_the_layers_are(
    directory: Site, image: str, registry: Registry, faults: Faults
) -> None:
    faults.redirect_to = registry.url
    assert pulled(directory, image) == BOTH


@pytest.mark.parametrize("what", ["flipped", "cut"])
def test_what_udocker_does_not_bring_whole_our_own_client_does(
    directory: Site, image: str, faults: Faults, what: str
) -> None:
    if what == "flipped":
        faults.corrupt, faults.corrupt_above = 1, 100_000
    else:
        faults.cut_after, faults.cuts = 100_000, 1
    assert pulled(directory, image) == {"udocker": 1, "own": 1}


def test_a_registry_that_is_busy_is_waited_for(directory: Site, image: str, faults: Faults) -> None:
    directory.run("plan", directory.wishes(image))
    faults.refuse += [503] * 2
    assert sum(pulled(directory, image).values()) == 2


def test_credentials_are_not_given_to_udocker(directory: Site, image: str, faults: Faults) -> None:
    faults.login = "robot:secret"
    logins = directory.home / "logins.json"
    logins.write_text(f'{{"{faults.host}": {{"username": "robot", "password": "secret"}}}}')
    logins.chmod(0o600)
    directory.configure(credentials=str(logins))
    assert pulled(directory, image) == {"own": 2}


def test_what_an_earlier_run_began_is_taken_up(directory: Site, image: str, faults: Faults) -> None:
    directory.configure(puller="own")
    faults.cut_after, faults.cuts, faults.ranges = 100_000, 10_000, False
    assert directory.run("add", image).code == 3
    directory.configure()
    faults.cuts, faults.ranges, faults.bytes = 0, True, 0
    assert pulled(directory, image)["own"] == 1
    assert faults.bytes < LARGE


def test_settings_for_udocker_do_not_lead_it_astray(directory: Site, image: str, tmp_path: Path) -> None:
    elsewhere = str(tmp_path / "elsewhere")
    names = ("UDOCKER_DIR", "UDOCKER_LAYERS", "UDOCKER_REPOS", "UDOCKER_TMP")
    site = replace(
        directory,
        environment={**dict.fromkeys(names, elsewhere), "UDOCKER_REGISTRY": "http://127.0.0.1:9"},
    )
    assert pulled(site, image) == BOTH
    assert not Path(elsewhere).exists()


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_udocker_ends_with_the_run_that_started_it(tmp_path: Path, how: str) -> None:
    program = (
        "import sys; from pathlib import Path; from cvmfs_deploy.sources.udocker import fetch\n"
        "from wrappers.containers.blobs import Blob\n"
        "def heard(size):\n"
        "    if Path('stop').exists(): raise InterruptedError\n"
        f"fetch(sys.argv[1], 'a/b', Blob('sha256:{'0' * 64}', 9), Path('layer').absolute(), heard)\n"
    )
    (tmp_path / "layer").touch()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            subprocess.Popen(
                [sys.executable, "-c", program, address], cwd=tmp_path, stderr=subprocess.DEVNULL
            ) as run,
            silent.accept()[0] as curl,
        ):
            curl.settimeout(120)
            assert curl.recv(1 << 16).startswith(b"GET /v2/a/b/blobs/sha256:000")
            if how == "killed":
                run.kill()
            else:
                (tmp_path / "stop").touch()
            assert curl.recv(1) == b""  # it has ended
