"""Images on a node: found where they were put before, or pulled exactly once."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leftovers import SERVERS, nothing_left
from tests.services import images
from tests.services.faults import Faults, faulty
from tests.services.registry import Registry
from wrappers import wire
from wrappers.containers import cache, cvmfs, udocker_format
from wrappers.containers.errors import ContainerError, CorruptImage, ImageMissing, UnsuitableNode
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient

pytestmark = pytest.mark.service

ROOT = Path(__file__).resolve().parents[2]
ENSURE = """
import sys
sys.path.insert(0, sys.argv[1])
from wrappers import wire
from wrappers.containers import cache
found = cache.ensure(wire.loads(wire.Image, sys.argv[2]), wire.loads(wire.Node, sys.argv[3]))
print(found.origin, found.received)
"""


@pytest.fixture
def faults(registry: Registry) -> Iterator[Faults]:
    with faulty(registry.host) as running:
        yield running


@pytest.fixture
def node(tmp_path: Path, home: Path) -> Iterator[wire.Node]:
    """A node with an empty cache, in which nothing may be left half made, whatever a test did."""
    with nothing_left(tmp_path, SERVERS):
        yield wire.Node(cache=str(tmp_path / "cache"))
        gc.collect()
    assert list(tmp_path.glob("cache/staging/*")) == []


@pytest.fixture
def image(registry: Registry, faults: Faults) -> wire.Image:
    """An image of two layers, as the misbehaving registry has it."""
    digest = images.push(registry.url, "test/two:1", [images.busybox_layer(), extra_layer()])
    return wire.Image(f"{faults.host}/test/two:1", digest)


def extra_layer() -> bytes:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        images.add(archive, "data/big", random.Random(1).randbytes(3_000_000))
    return buffer.getvalue()


def test_an_image_is_pulled_once_and_then_found(image: wire.Image, node: wire.Node, faults: Faults) -> None:
    first = cache.ensure(image, node)
    assert (first.origin, first.received) == ("pulled", faults.bytes)
    assert (first.path / "ROOT/bin/sh").is_symlink()
    assert (first.path / "ROOT/data/big").stat().st_size == 3_000_000
    asked = faults.requests
    again = cache.ensure(image, node)
    assert again[:3] == (first.path, "cache", 0)
    assert faults.requests == asked
    first.release()
    again.release()


def test_forty_who_ask_at_once_cost_one_pull(image: wire.Image, node: wire.Node, faults: Faults) -> None:
    once = sum(layer.size for layer in RegistryClient().resolve(parse(image.reference)).layers)
    faults.bytes = 0
    asking = [start(image, node) for _ in range(40)]
    told = [process.communicate()[0].split() for process in asking]
    assert [process.returncode for process in asking] == [0] * 40
    assert sorted(origin for origin, _ in told) == [b"cache"] * 39 + [b"pulled"]
    assert once <= faults.bytes < once + 20_000


def start(image: wire.Image, node: wire.Node) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", ENSURE, str(ROOT), wire.dumps(image), wire.dumps(node)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def test_a_pull_killed_at_any_moment_is_mended_by_the_next(image: wire.Image, node: wire.Node) -> None:
    moments = random.Random(7)
    for _ in range(12):
        process = start(image, node)
        time.sleep(moments.uniform(0.05, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    found = cache.ensure(image, node)
    assert hashlib.sha256((found.path / "ROOT/data/big").read_bytes()).digest() == big()
    found.release()
    assert os.listdir(Path(node.cache, "staging")) == []


def big() -> bytes:
    return hashlib.sha256(random.Random(1).randbytes(3_000_000)).digest()


@pytest.mark.parametrize("fault", ["corrupt", "missing", "manifest"])
def test_a_failed_pull_leaves_nothing(image: wire.Image, node: wire.Node, faults: Faults, fault: str) -> None:
    if fault == "corrupt":
        faults.corrupt = 1000
    elif fault == "missing":
        faults.missing = True
    else:
        faults.wrong_manifest = b'{"schemaVersion": 2}'
    with pytest.raises((CorruptImage, ImageMissing), match="test/two:1"):
        cache.ensure(image, node)
    assert os.listdir(Path(node.cache, "ready")) == os.listdir(Path(node.cache, "staging")) == []


def test_an_image_for_another_platform_is_refused(registry: Registry, node: wire.Node) -> None:
    digest = images.push(registry.url, "test/riscv:1", [images.busybox_layer()], architecture="riscv64")
    with pytest.raises(ImageMissing, match="it is made for linux/riscv64"):
        cache.ensure(wire.Image(f"{registry.host}/test/riscv:1", digest), node)


def test_a_full_disk_is_the_nodes_trouble_and_leaves_nothing(
    image: wire.Image, node: wire.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_ROOM", 1 << 40)
    with pytest.raises(UnsuitableNode, match=r"free, the image needs about .* MB: make room or name another"):
        cache.ensure(image, node)
    assert os.listdir(Path(node.cache, "ready")) == []


def test_without_leave_to_pull_an_image_that_is_not_there_is_an_error(
    image: wire.Image, node: wire.Node
) -> None:
    with pytest.raises(UnsuitableNode, match="the setting `pull` forbids"):
        cache.ensure(image, node._replace(pull=False))


def test_a_cache_that_cannot_be_made_names_the_setting(image: wire.Image) -> None:
    with pytest.raises(UnsuitableNode, match=r"image cache /proc/none cannot be used .*the setting `cache`"):
        cache.ensure(image, wire.Node(cache="/proc/none"))


def test_images_long_unused_make_room_and_those_in_use_do_not(
    image: wire.Image, node: wire.Node, registry: Registry
) -> None:
    used = cache.ensure(image, node)
    other = wire.Image(
        f"{registry.host}/test/other:1", images.push(registry.url, "test/other:1", [extra_layer()])
    )
    small = node._replace(cache_size=1)
    cache.ensure(other, small).release()
    assert used.path.is_dir()
    used.release()
    third = wire.Image(
        f"{registry.host}/test/third:1", images.push(registry.url, "test/third:1", [images.busybox_layer()])
    )
    cache.ensure(third, small).release()
    assert os.listdir(Path(node.cache, "ready")) == [cvmfs.directory_name(third.digest)]


class TestPredeployed:
    @pytest.fixture
    def deployed(self, image: wire.Image, node: wire.Node, tmp_path: Path) -> Path:
        """A directory of pre-deployed containers with the image in it."""
        containers = tmp_path / "cvmfs" / "containers"
        place = cvmfs.path_for(containers, image.digest)
        place.parent.mkdir(parents=True)
        found = cache.ensure(image, node)
        os.rename(found.path, place)
        found.release()
        return containers

    def test_the_digest_is_found_without_a_request(
        self, deployed: Path, image: wire.Image, node: wire.Node, faults: Faults
    ) -> None:
        before = faults.requests
        found = cache.ensure(image, node._replace(cvmfs=["/none", str(deployed)], pull=False))
        assert found.origin == "cvmfs"
        assert udocker_format.settings(found.path).environment["LANG"] == "C.UTF-8"
        assert faults.requests == before

    def test_a_readable_name_is_found_too_when_its_manifest_says_the_digest(
        self, deployed: Path, image: wire.Image, node: wire.Node
    ) -> None:
        name = cvmfs.name_for(parse(image.reference))
        os.rename(cvmfs.path_for(deployed, image.digest), deployed / name)
        assert cache.ensure(image, node._replace(cvmfs=[str(deployed)])).path == deployed / name

    def test_another_image_under_the_name_is_not_taken(
        self, deployed: Path, image: wire.Image, node: wire.Node
    ) -> None:
        (cvmfs.path_for(deployed, image.digest) / "manifest.json").write_text("{}")
        found = cache.ensure(image, node._replace(cvmfs=[str(deployed)]))
        assert found.origin == "pulled"
        found.release()


def test_a_directory_without_metadata_is_no_container(tmp_path: Path) -> None:
    with pytest.raises(ContainerError, match=r"no udocker container: container\.json"):
        udocker_format.settings(tmp_path)
    (tmp_path / "container.json").write_text(json.dumps({"config": None}))
    assert udocker_format.settings(tmp_path).entrypoint == []
