"""Runs are killed at random moments: what can be seen is complete at every one, and the next run mends."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.images import push
from tests.services.registry import Registry
from wrappers.containers import udocker_format

pytestmark = [pytest.mark.service, pytest.mark.timeout(3600)]

KILLS = [3, pytest.param(30, marks=pytest.mark.long)]
"""At each of the two kinds of place."""
IMAGES = 3


def complete(site: Site) -> int:
    """Everything that can be found is whole; returns how many names there are."""
    names = (
        [name for name in os.listdir(site.containers) if not name.startswith(".")]
        if site.containers.is_dir()
        else []
    )
    for name in names:
        container = site.containers / name
        assert (container / "ROOT/data").stat().st_size == 150_000, name
        assert len(os.listdir(container / "ROOT/many")) == 200
        assert udocker_format.digest_of(container) == "sha256:" + os.readlink(container).rpartition("-")[2]
    for tree in site.containers.glob(".store/sha256-*"):
        assert (tree / "record.json").is_file()
        assert (tree / "ROOT/many/199").is_file()
    return len(names)


def kill_after(run: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a run, and only it: what it started goes on, as on a real machine. False when it had ended."""
    with suppress(subprocess.TimeoutExpired):
        run.wait(seconds)
    ended = run.poll() is not None
    with suppress(ProcessLookupError):
        os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    return not ended


@pytest.mark.parametrize("kills", KILLS)
def test_a_run_that_is_killed_at_any_moment_leaves_nothing_half_done(
    site: Site, registry: Registry, kills: int
) -> None:
    site.configure(wait="60s")
    moments = random.Random(kills)
    images = []
    for number in range(IMAGES):
        name = f"kill/{'c' if site.cvmfs else 'd'}-{number}:1"
        many = {f"many/{file}": str(file) for file in range(200)}
        push(registry.url, name, [layer({"data": noise(150_000, number), **many})])
        images.append(f"{registry.host}/{name}")
    wishes = site.wishes(*images, grace="0s")
    start = time.monotonic()
    site.ok("sync", wishes)
    whole = time.monotonic() - start  # how long a run takes here, today
    killed = 0
    while killed < kills:
        site.ok("sync", site.wishes(grace="0s"), "--prune")
        site.ok("prune", "--grace", "0s")
        assert complete(site) == 0
        for _ in range(2):  # a run that mends may be killed too
            run = site.start("sync", site.wishes(*images, grace="0s"))
            killed += kill_after(run, moments.uniform(0.1, whole))
            if site.cvmfs is None or not site.cvmfs.is_open():
                complete(site)
        site.ok("sync", site.wishes(*images, grace="0s"))
        assert complete(site) == IMAGES
        assert site.cvmfs is None or not site.cvmfs.is_open()
        assert site.run("verify", "--deep", "--offline").code == 0
        assert list(site.work.glob("*.journal")) == []


def test_a_run_that_is_interrupted_cleans_up(site: Site, registry: Registry) -> None:
    name = f"kill/term-{'c' if site.cvmfs else 'd'}:1"
    push(registry.url, name, [layer({"data": noise(150_000), **{f"many/{n}": "x" for n in range(200)}})])
    if site.cvmfs:
        site.cvmfs.fault("publish", "start", sleep=1.0)
    run = site.start("add", f"{registry.host}/{name}")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and run.poll() is None:
        if site.cvmfs and any(line.startswith("publish") for line in site.cvmfs.calls()):
            break
        if not site.cvmfs and list(site.containers.glob(".store/.staging/*")):
            break
        time.sleep(0.005)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate()
    if run.returncode != 0:  # it may have been quicker
        assert (run.returncode, "interrupted" in err) == (130, True), err
    assert site.cvmfs is None or not site.cvmfs.is_open()
    site.ok("add", f"{registry.host}/{name}")
    complete(site)
