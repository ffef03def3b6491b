"""Attempts in real containers from a real registry, through the built wrapper."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.conftest import Site, outputs
from tests.node.test_process import alive, wait_for
from tests.runtimes.conftest import pinned
from tests.services.images import add, busybox_layer, push
from tests.services.proot import proot_for_tests
from tests.services.registry import Registry
from wrappers import wire

pytestmark = pytest.mark.service

PROFILE = "PATH=/usr/bin:/bin\nexport PATH\nSOURCED=yes\nexport SOURCED\n"  # as Debian's does


@pytest.fixture(scope="module")
def image(registry: Registry) -> wire.Image:
    """A busybox with a tool in a directory that only the image's own PATH names, and a login profile."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add(tar, "etc/profile", PROFILE)
        add(tar, "opt/tool/bin/tool", "#!/bin/sh\necho the tool\n", mode=0o755)
    config = {"Env": ["PATH=/opt/tool/bin:/usr/bin:/bin"]}
    push(registry.url, "vip/profile:1.0", [busybox_layer(), buffer.getvalue()], config=config)
    return pinned(f"{registry.host}/vip/profile:1.0")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One image cache for all tests of this file."""
    directory = tmp_path_factory.mktemp("cache")
    yield directory
    for path, _, _ in os.walk(directory):
        os.chmod(path, 0o700)


@pytest.fixture(params=["userns", "udocker"])
def container(request: pytest.FixtureRequest, site: Site, cache: Path) -> Site:
    """A node with one container runtime."""
    proot = str(proot_for_tests(site.root)) if request.param == "udocker" else ""
    site.node = wire.Node(runtimes=[request.param], cache=str(cache), proot=proot)
    return site


def test_a_container_job_brings_back_its_results(container: Site, image: wire.Image) -> None:
    data = container.root / "in put.txt"
    data.write_text("data\n")
    report = container.one(
        'tool > out.txt; echo "$SOURCED" >> out.txt; cat "in put.txt" >> out.txt; echo x > /scribble',
        image=image,
        runtimes=[],
        inputs=[wire.Input("in", data.as_uri(), data.name)],
        outputs=outputs(o="out.txt"),
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    assert (container.results / report.attempt / "out.txt").read_text() == "the tool\nyes\ndata\n"
    assert report.runtime is not None
    assert (report.runtime.name, report.runtime.digest) == (container.node.runtimes[0], image.digest)
    assert container.leftovers() == []


@pytest.mark.parametrize(("command", "code", "number"), [("exit 3", 3, None), ("kill -KILL $$", 137, 9)])
def test_exit_codes_and_signals_come_out_exact(
    container: Site, image: wire.Image, command: str, code: int, number: int | None
) -> None:
    report = container.one(command, image=image, runtimes=[])
    assert (report.failure, report.exit_code, report.signal) == (wire.TOOL, code, number)


def test_a_container_at_its_wall_time_leaves_no_process(container: Site, image: wire.Image) -> None:
    report = container.one(
        "sleep 987654 & sleep 987654", image=image, runtimes=[], limits=wire.Limits(wall=2.0)
    )
    assert report.failure == wire.LIMIT, report.message
    for entry in Path("/proc").glob("[0-9]*"):
        if alive(int(entry.name)):
            assert b"987654" not in entry.joinpath("cmdline").read_bytes()
    assert container.leftovers() == []


def test_memory_is_watched_inside_containers(container: Site, image: wire.Image) -> None:
    hog = "head -c 120000000 /dev/zero | tail -n 1 | sleep 600"
    report = container.one(f"{hog}", image=image, runtimes=[], limits=wire.Limits(memory=60 << 20, wall=60.0))
    assert report.failure == wire.LIMIT, report.message
    assert "60 MiB are allowed" in report.message


def test_a_cancelled_container_ends_with_all_its_processes(container: Site, image: wire.Image) -> None:
    manifest = container.manifest("echo begun > begun; sleep 876543", image=image, runtimes=[])
    running = container.start(manifest)
    wait_for(container.into / manifest.attempt / "job" / "begun")
    running.terminate()
    assert running.wait(30) == 0
    assert container.report(manifest).failure == wire.CANCELLED
    for entry in Path("/proc").glob("[0-9]*"):
        if alive(int(entry.name)):
            assert b"876543" not in entry.joinpath("cmdline").read_bytes()


def test_an_image_that_is_not_there_is_an_image_failure(container: Site, image: wire.Image) -> None:
    lost = image._replace(digest="sha256:" + "0" * 64)
    report = container.one("true", image=lost, runtimes=[])
    assert (report.failure, report.exit_code) == (wire.IMAGE, None)
    assert "0000" in report.message
