"""Jobs find what was published and run from it: nothing is pulled, nothing is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.cvmfs_deploy.archives import saved, tools_tarball
from tests.cvmfs_deploy.site import Site, directory_site, layer
from tests.runtimes.worker import worker
from tests.services.debian import require
from tests.services.faults import Faults
from tests.services.images import busybox_layer, push, push_busybox
from tests.services.proot import proot_for_tests
from tests.services.registry import Registry
from wrappers import wire
from wrappers.containers.reference import parse
from wrappers.containers.registry import RegistryClient

pytestmark = pytest.mark.service

JOBS = 40


@pytest.fixture
def open_site() -> Iterator[Site]:
    """A published directory that other accounts can read; pytest's own are closed to them."""
    home = Path(tempfile.mkdtemp(prefix="engine-published-"))
    home.chmod(0o755)
    try:
        yield directory_site(home)
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", home], check=True)
        shutil.rmtree(home)


@pytest.fixture
def mounted(open_site: Site) -> Iterator[Path]:
    """The directory of containers, to be filled by the test and then mounted read-only by `freeze`."""
    open_site.containers.mkdir(parents=True)
    yield open_site.containers
    if str(open_site.top) in Path("/proc/mounts").read_text():
        subprocess.run(["umount", open_site.top], check=True)


def freeze(site: Site) -> None:
    """Mount what is published over itself, read-only, as CVMFS and NFS are on worker nodes."""
    subprocess.run(["mount", "--bind", site.top, site.top], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", site.top], check=True)


def settings(containers: Path, **more: str) -> dict[str, str]:
    return {"ENGINE_NODE__CVMFS": json.dumps([str(containers)]), **more}


def times(top: Path) -> dict[str, tuple[int, int]]:
    """What changes when anybody writes."""
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in [top, *top.rglob("*")]}


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount a directory read-only, and be another owner"
)
@pytest.mark.timeout(600)
def test_forty_jobs_at_once_run_from_a_read_only_tree_of_another_account(
    open_site: Site, mounted: Path, ordinary_desk: Desk, registry: Registry, faults: Faults, tmp_path: Path
) -> None:
    push_busybox(registry, "jobs/forty:1")
    image = f"{faults.host}/jobs/forty:1"
    open_site.ok("add", image)
    programs = ordinary_desk.home.parent / "programs"
    programs.mkdir(mode=0o755)
    freeze(open_site)
    before, bytes_before = times(open_site.top), faults.bytes
    tool = ordinary_desk.tool("touch /new 2> no && exit 9; echo [TEXT] > o", image=image, outputs={"o": "o"})
    lines = ordinary_desk.lines("forty.jsonl", [{"text": str(number)} for number in range(JOBS)])
    proot = str(proot_for_tests(programs))
    done = ordinary_desk.submit(
        tool,
        lines,
        "--runtime",
        "udocker",
        "--read-only",
        variables=settings(mounted, ENGINE_NODE__PROOT=proot, ENGINE_BACKENDS__LOCAL__SLOTS=str(JOBS)),
    )
    outputs = done.files("outputs")
    assert [done.read(f"outputs/{name}") for name in outputs] == [f"{number}\n" for number in range(JOBS)]
    records = [json.loads(path.read_text()) for path in done.results.glob("provenance/*.json")]
    runtimes = [record["additional-information"]["runtime"] for record in records]
    assert len(runtimes) == JOBS
    assert {(one["name"], one["mode"], one["origin"]) for one in runtimes} == {
        ("udocker", "P1 readonly", "cvmfs")
    }
    assert faults.bytes == bytes_before
    assert times(open_site.top) == before
    open_site.ok("verify", "--deep", "--offline")


@pytest.mark.parametrize("runtime", ["userns", "udocker"])
def test_a_job_uses_what_is_published_and_its_record_says_so(
    open_site: Site, desk: Desk, faults: Faults, registry: Registry, runtime: str
) -> None:
    push_busybox(registry, "jobs/record:1")
    image = f"{faults.host}/jobs/record:1"
    digest = RegistryClient().resolve(parse(image)).digest
    open_site.ok("add", image)
    before, blobs = times(open_site.top), faults.blobs
    tool = desk.tool("echo x > o; echo y > /usr/bin/new", image=image, outputs={"o": "o"})
    proot = str(proot_for_tests(desk.home))
    done = desk.submit(
        tool,
        desk.write("i.json", {}),
        "--runtime",
        runtime,
        variables=settings(open_site.containers, ENGINE_NODE__PROOT=proot),
    )
    more = done.record()["additional-information"]
    assert (more["runtime"]["origin"], more["image"]["digest"]) == ("cvmfs", digest)
    assert faults.blobs == blobs
    assert times(open_site.top) == before


def test_an_image_that_is_not_published_is_pulled(
    open_site: Site, desk: Desk, faults: Faults, registry: Registry
) -> None:
    push_busybox(registry, "jobs/published:1")
    push(registry.url, "jobs/elsewhere:1", [busybox_layer(), layer({"other": "x"})])
    open_site.ok("add", f"{registry.host}/jobs/published:1")
    tool = desk.tool("echo x > o", image=f"{faults.host}/jobs/elsewhere:1", outputs={"o": "o"})
    done = desk.submit(
        tool, desk.write("i.json", {}), "--runtime", "userns", variables=settings(open_site.containers)
    )
    runtime = done.record()["additional-information"]["runtime"]
    assert runtime["origin"] == "pulled"
    assert 0 < runtime["received"] <= faults.bytes


def test_an_image_that_no_registry_has_is_found_by_its_name(open_site: Site, desk: Desk) -> None:
    archive = open_site.home / "image.tar"
    saved(archive, "example.org/lab/tool:3", [busybox_layer(), layer({"own": "ours"})])
    open_site.ok("add", "--archive", archive)
    tool = desk.tool("cat /own > o", image="example.org/lab/tool:3", outputs={"o": "o"})
    done = desk.submit(
        tool, desk.write("i.json", {}), "--runtime", "userns", variables=settings(open_site.containers)
    )
    assert done.read("outputs/o") == "ours"
    assert done.record()["additional-information"]["runtime"]["origin"] == "cvmfs"


def test_nodes_run_with_the_published_tools_and_nothing_from_outside(
    open_site: Site, registry: Registry
) -> None:
    require("proot")
    image = push_busybox(registry, "jobs/tools:1")
    open_site.ok("add", image)
    tools_tarball(open_site.home / "tools.tar.gz")
    told = open_site.ok("tools", open_site.home / "tools.tar.gz", "--json").value
    current = open_site.top / "vip/udocker/tools/current"
    assert told["node"] == {"tools": str(current), "udocker": str(current / "python")}
    assert not (open_site.top / "escaped").exists()
    assert (current / "lib/VERSION").read_text() == "1.2.11"
    pinned = wire.Image(image, RegistryClient().resolve(parse(image)).digest)
    with worker("nobody") as account:
        shutil.rmtree(account.directory / "code" / "udocker")
        node = account.node(
            cvmfs=[str(open_site.containers)],
            pull=False,
            proot="",
            tools=told["node"]["tools"],
            udocker=told["node"]["udocker"],
        )
        result = account.run(pinned, "echo here", runtimes=["udocker"], node=node)
        assert (result.out, result.used.origin, result.used.received) == ("here\n", "cvmfs", 0), result.told


def test_tools_that_are_there_are_not_published_again(site: Site) -> None:
    tools_tarball(site.home / "tools.tar.gz")
    site.ok("tools", site.home / "tools.tar.gz")
    before = site.seen()
    site.ok("tools", site.home / "tools.tar.gz")
    assert site.seen() == before
    if site.cvmfs:
        assert site.transactions() == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["none.tar.gz"], "No such file"),
        (["http://127.0.0.1:9/tools.tar.gz"], "needs --sha256"),
        (["config.yaml"], "cannot be read as a tools tarball"),
        (["tools.tar.gz", "--sha256", "0" * 64], "its sha256 is"),
    ],
)
def test_wrong_tools_are_refused(directory: Site, words: list[str], told: str) -> None:
    tools_tarball(directory.home / "tools.tar.gz")
    ran = directory.run("tools", *words)
    assert ran.code in (2, 3)
    assert told in ran.err
    assert directory.seen() == {}
