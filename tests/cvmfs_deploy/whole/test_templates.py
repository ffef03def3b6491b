"""Template transactions: taken only where their clone is seen and sound, and never onto what is there.

The program is a stand-in with its switches: see tests/services/cvmfs_server_stand_in.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cvmfs_deploy.site import Site, layer, noise
from tests.services.cvmfs import NAME, Cvmfs
from tests.services.images import push
from tests.services.registry import Registry

pytestmark = pytest.mark.service


@pytest.fixture
def images(registry: Registry) -> list[str]:
    """Two images that share nearly all."""
    base = layer({"base/data": noise(100_000), "base/other": "same"})
    push(registry.url, "templates/like:1", [base])
    push(registry.url, "templates/like:2", [base, layer({"added": "x"})])
    return [f"{registry.host}/templates/like:{number}" for number in "12"]


def running_of(site: Site) -> Cvmfs:
    assert site.cvmfs is not None
    return site.cvmfs


def reader(site: Site) -> subprocess.Popen[str]:
    """A backup that has a file of the repository open until its input ends."""
    program = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    file = site.containers / ".store/index.json"
    process = subprocess.Popen(
        [sys.executable, "-c", program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_a_clone_that_is_seen_a_little_later_is_waited_for(any_repository: Site, images: list[str]) -> None:
    running = running_of(any_repository)
    any_repository.ok("add", images[0])
    running.switch(late_clone=1.0)
    ran = any_repository.ok("add", images[1])
    assert "without a template" not in ran.err
    assert (any_repository.container(images[1]) / "ROOT/added").exists()
    assert any_repository.ok("verify", "--deep").code == 0


def test_a_clone_that_is_never_seen_is_given_up_and_the_image_is_published(
    any_repository: Site, images: list[str]
) -> None:
    running = running_of(any_repository)
    any_repository.ok("add", images[0])
    running.switch(late_clone=600.0)
    ran = any_repository.ok("add", images[1])
    assert "without a template" in ran.err
    assert "cannot be seen" in ran.err
    assert not running.is_open()
    assert any_repository.ok("verify", "--deep").code == 0


def test_an_image_is_published_though_somebody_reads_while_it_is_cloned(
    repository: Site, images: list[str]
) -> None:
    running = running_of(repository)
    repository.ok("add", images[0])
    running.switch(late_clone=0.1)
    backup = reader(repository)
    run = repository.start("add", images[1])
    while not any("-T" in line for line in running.calls()):
        assert run.poll() is None, run.communicate()
    backup.communicate()
    _, err = run.communicate()
    assert run.returncode == 0, err
    assert repository.ok("verify", "--deep").code == 0


def test_a_template_that_cannot_be_cloned_is_done_without(any_repository: Site, images: list[str]) -> None:
    any_repository.ok("add", images[0])
    running_of(any_repository).fault(
        "transaction", "start", code=22, err="cannot clone directory tree. path 'x' ..."
    )
    assert "without a template" in any_repository.ok("add", images[1]).err
    assert any_repository.ok("verify", "--deep").code == 0


def test_our_own_verification_keeps_no_publication_from_its_end(repository: Site, images: list[str]) -> None:
    """A publication waits for `verify`, which reads everything; two of them do not wait for each other."""
    repository.ok("add", images[0])
    lock = subprocess.Popen(
        ["flock", "--no-fork", "--shared", repository.work / f"{NAME}.lock", "sleep", "60"]
    )
    try:
        while not held(repository):
            assert lock.poll() is None
        assert repository.ok("verify", "--deep").code == 0
        ran = repository.run("add", images[1])
        assert (ran.code, "a process that reads there" in ran.err) == (3, True), ran
    finally:
        lock.kill()
        lock.wait()
    repository.ok("add", images[1])


def held(site: Site) -> bool:
    """Whether somebody reads under the lock."""
    inode = (site.work / f"{NAME}.lock").stat().st_ino
    return any(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())


def test_verification_waits_for_a_run_that_publishes(site: Site, images: list[str]) -> None:
    site.ok("add", images[0])
    lock = site.work / f"{NAME}.lock" if site.cvmfs else site.containers / ".store/.lock"
    holder = subprocess.Popen(["flock", "--no-fork", lock, "sleep", "60"])
    try:
        while site.ok("status", "--json").value["run"] == "none":
            assert holder.poll() is None
        ran = site.run("verify", "--offline")
        assert (ran.code, "another run is at work" in ran.err) == (3, True), ran
    finally:
        holder.kill()
        holder.wait()
    site.ok("verify", "--offline")


@pytest.mark.skipif(os.geteuid() != 0, reason="without root everybody is the same user")
def test_whoever_may_only_read_can_verify(directory: Site, images: list[str]) -> None:
    directory.ok("add", images[0])
    (directory.containers / ".store/.lock").chmod(0o000)
    assert directory.ok("verify", "--offline").code == 0


def test_a_damaged_image_is_made_anew(any_repository: Site, images: list[str]) -> None:
    any_repository.ok("add", images[0])
    running = running_of(any_repository)
    assert running.server("transaction", NAME).returncode == 0
    (any_repository.container(images[0]) / "ROOT/base/data").write_bytes(b"cut")
    assert running.server("publish", NAME).returncode == 0
    assert any_repository.run("verify", "--offline").code == 1
    any_repository.ok("add", "--again", images[0])
    assert any_repository.ok("verify", "--deep", "--offline").code == 0
    assert not any("-T" in line for line in running.calls())


def test_an_image_is_made_anew_beside_one_that_it_is_like(any_repository: Site, images: list[str]) -> None:
    for image in images:
        any_repository.ok("add", image)
    any_repository.ok("add", "--again", images[1])
    any_repository.ok("add", "--again", images[0])
    assert any_repository.ok("verify", "--deep", "--offline").code == 0


def test_a_damaged_image_is_no_template_for_another(any_repository: Site, images: list[str]) -> None:
    any_repository.ok("add", images[0])
    running = running_of(any_repository)
    assert running.server("transaction", NAME).returncode == 0
    root = any_repository.container(images[0]) / "ROOT"
    (root / "base/data").write_bytes(b"cut")
    (root / "base/other").unlink()
    (root / "stranger").write_text("x")
    assert running.server("publish", NAME).returncode == 0
    any_repository.ok("add", images[1])
    damaged = any_repository.run("verify", "--deep", "--offline", "--json").value
    assert [one["what"] for one in damaged if one["state"] == "damaged"] == [images[0]]


def test_a_list_of_files_that_is_damaged_is_told(site: Site, images: list[str]) -> None:
    site.ok("add", images[0])
    if site.cvmfs:
        site.cvmfs.server("transaction", NAME)
    file = site.container(images[0]) / "tree.mtree.gz"
    data = bytearray(file.read_bytes())
    data[20] ^= 255
    file.write_bytes(data)
    if site.cvmfs:
        site.cvmfs.server("publish", NAME)
    ran = site.run("verify", "--offline")
    assert (ran.code, "tree.mtree.gz" in ran.out) == (1, True), ran
    site.ok("add", "--again", images[0])
    assert site.ok("verify", "--deep", "--offline").code == 0


def test_what_the_store_holds_beside_our_trees_is_not_touched(site: Site, images: list[str]) -> None:
    site.ok("add", images[0])
    if site.cvmfs:
        site.cvmfs.server("transaction", NAME)
    (site.containers / ".store/of-somebody-else").mkdir()
    (site.containers / f".store/sha256-{'1' * 64}").mkdir()
    if site.cvmfs:
        site.cvmfs.server("publish", NAME)
    site.ok("prune")
    assert (site.containers / ".store/of-somebody-else").is_dir()
    assert not (site.containers / f".store/sha256-{'1' * 64}").exists()
    assert site.ok("recover").err.count("nothing to recover") == 1


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"storage": 1000}, "block upload failed (code: 28)"),
        ({"dead_client": True}, "parameter -w missing"),
    ],
)
def test_a_publication_that_fails_says_why_and_changes_nothing(
    any_repository: Site, images: list[str], switches: dict[str, object], told: str
) -> None:
    running = running_of(any_repository)
    running.switch(stack_traces=True, **switches)
    ran = any_repository.run("add", images[0])
    assert (ran.code, told in ran.err) == (3, True), ran
    assert "swissknife" not in ran.err
    assert (running.is_open(), running.repository.revision()) == (False, 1)
    running.switch(storage=0, dead_client=False)
    any_repository.ok("add", images[0])


def test_a_collection_that_fails_after_the_commit_fails_no_publication(
    any_repository: Site, images: list[str]
) -> None:
    running_of(any_repository).switch(auto_gc="fails", auto_tags=True)
    ran = any_repository.ok("add", images[0])
    assert "had trouble afterwards" in ran.err
    assert "Garbage collection failed" in ran.err
    assert any_repository.ok("verify", "--deep").code == 0


# What is known of the real program: the rows of the stand-in that the publisher relies on.


def test_the_stand_in_speaks_as_version_2_12_does(cvmfs: Cvmfs) -> None:
    cvmfs.switch(stack_traces=True)
    cvmfs.server("transaction", NAME)
    (cvmfs.mount / "a/below").mkdir(parents=True)
    (cvmfs.mount / "a/file").write_text("x")
    assert cvmfs.server("publish", NAME).returncode == 0
    same = cvmfs.server("transaction", "-T", "/a=/a", NAME)
    assert (same.returncode, "cannot clone tree into itself" in same.stderr, "[0x" in same.stderr) == (
        22,
        True,
        True,
    )
    cvmfs.server("transaction", NAME)
    assert cvmfs.server("transaction", "-t", "1", NAME).stdout.count("repository busy, retrying") >= 1
    with open(cvmfs.mount / "a/file"):
        refused = cvmfs.server("publish", NAME)
        assert (refused.returncode, "open read-only file descriptors" in refused.stderr) == (1, True)
    with open(cvmfs.mount / "a/new", "w"):
        assert "Open writable file descriptors" in cvmfs.server("publish", NAME).stdout
    assert cvmfs.server("publish", NAME).returncode == 0
    assert "(stratum0 / local)" in cvmfs.server("list", NAME).stdout


def test_the_gateway_of_the_stand_in_behaves_as_the_real_one(cvmfs: Cvmfs) -> None:
    cvmfs.switch(gateway=True, auto_tags=True)
    cvmfs.server("transaction", NAME)
    (cvmfs.mount / "a").mkdir()
    assert cvmfs.server("publish", NAME).returncode == 0
    assert cvmfs.repository.revision() == 2
    assert not (cvmfs.mount / "a").exists()
    assert "unhealthy" in cvmfs.server("list", NAME).stdout
    assert cvmfs.server("transaction", f"{NAME}/none/b").returncode == 2
    assert cvmfs.server("transaction", f"{NAME}/a").returncode == 0
    (cvmfs.mount / "outside").mkdir()
    (cvmfs.mount / "a/inside").mkdir()
    assert cvmfs.server("publish", NAME).returncode == 0
    tree = cvmfs.repository.tree(3)
    assert ((tree / "a/inside").is_dir(), (tree / "outside").exists()) == (True, False)
    cvmfs.lease("a")
    busy = cvmfs.server("transaction", f"{NAME}/a/inside")
    assert (busy.returncode, "lease path busy" in busy.stderr) == (16, True)
    cvmfs.repository.lease.unlink()
    assert cvmfs.server("transaction", "-T", "/a=/b", NAME).returncode == 0
    assert cvmfs.repository.revision() == 4
    assert cvmfs.server("publish", NAME).returncode == 1
    assert cvmfs.server("abort", "-f", NAME).returncode == 0
    assert (cvmfs.mount / "b/inside").is_dir()
    assert cvmfs.server("tag", NAME).stdout.count("generic-") == 3
