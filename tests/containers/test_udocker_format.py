"""Stock udocker lists and runs what we make, and we run what stock udocker made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtimes.worker import worker
from tests.services.proot import proot_for_tests
from tests.services.registry import Registry
from wrappers import wire
from wrappers.containers import cache, cvmfs, udocker_format
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient

pytestmark = pytest.mark.service

STOCK = "from udocker.maincmd import main; main()"


@pytest.fixture
def stock(tmp_path: Path) -> dict[str, str]:
    """The environment of a stock udocker that looks for no tools on the network."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "UDOCKER_DIR": str(tmp_path / "udocker"),
        "UDOCKER_TARBALL": "",
        "UDOCKER_USE_PROOT_EXECUTABLE": str(proot_for_tests(tmp_path)),
    }


def udocker(environment: dict[str, str], *words: str) -> str:
    command = [sys.executable, "-c", STOCK, "--allow-root", "-q", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_stock_udocker_lists_and_runs_a_container_of_ours(
    busybox_image: str, tmp_path: Path, stock: dict[str, str], home: Path
) -> None:
    digest = RegistryClient().resolve(parse(busybox_image)).digest
    found = cache.ensure(wire.Image(busybox_image, digest), wire.Node(cache=str(tmp_path / "cache")))
    ours = dict(stock, UDOCKER_CONTAINERS=str(found.path.parent))
    name = found.path.name
    listing = udocker(ours, "ps").splitlines()[1].split()
    assert (listing[0], listing[-1]) == (name[:36], busybox_image)
    assert udocker(ours, "run", "--nobanner", name, "/bin/sh", "-c", "echo $LANG; cat /etc/group") == (
        "C.UTF-8\\nroot:x:0:\\n".replace("\\n", "\n")
    )


def test_we_run_a_container_of_stock_udocker(
    registry: Registry, busybox_image: str, tmp_path: Path, stock: dict[str, str]
) -> None:
    theirs = dict(stock, UDOCKER_REGISTRY=registry.url)
    udocker(theirs, "pull", "vip/busybox:1.0")
    name = udocker(theirs, "create", "vip/busybox:1.0").strip()
    container = tmp_path / "udocker" / "containers" / name
    assert udocker_format.settings(container).environment["LANG"] == "C.UTF-8"
    assert (container / udocker_format.ROOT / "bin/sh").exists()
    assert udocker_format.digest_of(container) == ""
    # An administrator who adopts it writes down what it is; then nodes find and run it.
    resolved = RegistryClient().resolve(parse(busybox_image))
    (container / "manifest.json").write_bytes(resolved.manifest)
    place = cvmfs.path_for(tmp_path / "containers", resolved.digest)
    place.parent.mkdir(parents=True)
    os.rename(container, place)
    with worker("root") as account:
        node = account.node(cvmfs=[str(tmp_path / "containers")], pull=False)
        image = wire.Image(busybox_image, resolved.digest)
        result = account.run(image, "echo $LANG; cat /etc/group", runtimes=["userns"], node=node)
        assert (result.out, result.used.origin) == ("C.UTF-8\nroot:x:0:\n", "cvmfs")
