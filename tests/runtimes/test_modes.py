"""What differs from node to node: Pythons, kernels, the owner of the tree, where proot comes from."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.node.conftest import pythons
from tests.runtimes.worker import Worker, worker
from tests.services.debian import require
from tests.services.faults import faulty
from tests.services.registry import Registry
from wrappers import wire
from wrappers.containers import cvmfs

pytestmark = pytest.mark.service

NO_OVERLAY = """
from wrappers.runtimes import world
kept = world.mount
def mount(source, target, kind="", flags=0, options=""):
    if kind == "overlay":
        raise OSError("this kernel knows no overlay")
    kept(source, target, kind, flags, options)
world.mount = mount
import runpy
runpy.run_path("one_job.py", run_name="__main__")
"""


@pytest.mark.parametrize("runtime", ["userns", "udocker"])
@pytest.mark.parametrize("python", pythons(), ids=lambda path: str(path).replace("/", "_").strip("_"))
def test_every_python_pulls_and_runs(
    busybox: wire.Image, dcm2niix: wire.Image, python: Path, runtime: str
) -> None:
    with worker("root", str(python)) as account:
        result = account.run(busybox, "echo 'Größe'; exit 7", runtimes=[runtime])
        assert (result.out, result.code, result.used.origin) == ("Größe\n", 7, "pulled")
        assert account.run(dcm2niix, "kill -9 $$", runtimes=[runtime]).signal == 9


@pytest.fixture
def old_kernel(account: Worker) -> Worker:
    """A node whose kernel mounts no overlay in a user namespace."""
    stand_in = account.directory / "code" / "no_overlay.py"
    stand_in.write_text(NO_OVERLAY)
    return replace(account, program="no_overlay.py")


def test_without_an_overlay_the_tool_gets_a_copy(old_kernel: Worker, busybox: wire.Image) -> None:
    result = old_kernel.run(busybox, "echo x > /usr/new && cat /usr/new", runtimes=["userns"])
    assert (result.out, result.used.mode) == ("x\n", "copy")
    tree = old_kernel.cache / "ready" / cvmfs.directory_name(busybox.digest)
    assert not (tree / "ROOT/usr/new").exists()


def test_a_tool_that_needs_no_writable_root_gets_none(
    old_kernel: Worker, busybox: wire.Image, groupless: wire.Image
) -> None:
    command = (
        "touch /usr/new 2>/dev/null || echo refused; id -un; cat /etc/hosts > hosts; echo x > /tmp/t; pwd"
    )
    for image in (busybox, groupless):
        result = old_kernel.run(image, command, runtimes=["userns"], root="readonly", workdir="/new/place")
        assert (result.out, result.used.mode) == ("refused\nroot\n/new/place\n", "readonly"), result.err


@pytest.fixture
def others_tree(account: Worker, busybox: wire.Image) -> str:
    """A directory of pre-deployed containers that belongs to somebody else, as on CVMFS."""
    account.run(busybox, "true", runtimes=["userns"])
    containers = account.directory / "others"
    if not containers.exists():
        place = cvmfs.path_for(containers, busybox.digest)
        place.parent.mkdir(parents=True)
        shutil.copytree(account.cache / "ready" / place.name, place, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", containers], check=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "daemon", containers], check=True)
    return str(containers)


def test_a_tree_of_another_account_takes_new_files(
    account: Worker, others_tree: str, busybox: wire.Image
) -> None:
    node = account.node(cvmfs=[others_tree], pull=False)
    command = "echo x > /usr/bin/new && cat /usr/bin/new; rm /etc/passwd; ls /etc; mkdir -p /opt/a && echo ok"
    result = account.run(busybox, command, runtimes=["userns"], node=node)
    assert result.out == "x\ngroup\nhosts\nresolv.conf\nok\n"
    assert (result.used.origin, result.used.mode) == ("cvmfs", "overlay")
    assert Path(others_tree, ".store").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a directory read-only")
def test_udocker_runs_a_tree_on_a_read_only_file_system_in_place(
    account: Worker, others_tree: str, busybox: wire.Image
) -> None:
    subprocess.run(["mount", "--bind", others_tree, others_tree], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", others_tree], check=True)
        node = account.node(cvmfs=[others_tree], pull=False)
        result = account.run(
            busybox,
            "pwd; touch /usr/x 2>/dev/null || echo refused",
            runtimes=["udocker"],
            node=node,
            root="readonly",
        )
    finally:
        subprocess.run(["umount", others_tree], check=True)
    assert (result.out, result.used.mode) == (f"{result.job}\nrefused\n", "P1 readonly")


def tarball(account: Worker) -> bytes:
    """udocker's tools as its makers pack them, with the proot for these tests."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(account.proot, f"udocker_dir/bin/proot-{os.uname().machine}-4_8_0")
        archive.addfile(tarfile.TarInfo("../../evil"))
    return buffer.getvalue()


def test_proot_comes_from_a_tarball_that_is_checked(account: Worker, busybox: wire.Image) -> None:
    tools = account.directory / "tools.tar.gz"
    tools.write_bytes(tarball(account))
    tools.chmod(0o644)
    digest = hashlib.sha256(tools.read_bytes()).hexdigest()
    node = account.node(proot="", tools=tools.as_uri(), tools_sha256=digest)
    assert account.run(busybox, "echo ran", runtimes=["udocker"], node=node).out == "ran\n"
    wrong = node._replace(tools_sha256="0" * 64)
    assert (
        "not what `tools_sha256` says"
        in account.run(busybox, "", runtimes=["udocker"], node=wrong).told["message"]
    )
    unchecked = node._replace(tools_sha256="")
    assert (
        "needs `tools_sha256`"
        in account.run(busybox, "", runtimes=["udocker"], node=unchecked).told["message"]
    )


def test_what_was_passed_over_is_told(account: Worker, busybox: wire.Image) -> None:
    node = account.node(proot="/none/proot", runtimes=["udocker", "apptainer", "userns"])
    why = account.run(busybox, "true", node=node).used.why
    assert "udocker: /none/proot does not work here" in why
    message = account.run(busybox, "true", runtimes=["udocker", "nonsense"], node=node).told["message"]
    assert message.startswith("no container runtime can run this job here: udocker: ")
    assert message.endswith("nonsense: no such runtime")


def test_shared_memory_is_no_more_than_the_memory_of_the_job(account: Worker, busybox: wire.Image) -> None:
    fill = "head -c 100000000 /dev/zero > /dev/shm/x; stat -c %s /dev/shm/x"
    limits = wire.Limits(memory=32 << 20)
    result = account.run(busybox, fill, runtimes=["userns"], limits=limits)
    assert int(result.out) <= 32 << 20
    assert "error" in result.err


def test_no_container_is_for_those_who_ask_for_just_that(account: Worker, busybox: wire.Image) -> None:
    result = account.run(None, "pwd; env", runtimes=["none"])
    assert result.out.startswith(f"{result.job}\n")
    assert "HOST_SECRET" not in result.out
    for image, runtimes in ((busybox, ["none"]), (None, ["none", "userns"]), (None, [])):
        told = account.run(image, "true", runtimes=runtimes, node=account.node(runtimes=["none"])).told
        assert told["error"] == "Unusable"


def test_directories_with_odd_names_are_fine(account: Worker, busybox: wire.Image) -> None:
    for runtime, name in (("userns", "a:b,c d'é"), ("udocker", "a,c d'é")):
        result = account.run(
            busybox, "pwd; echo x > /usr/x && echo ok", runtimes=[runtime], name=name + runtime
        )
        assert result.out == f"{result.job}\nok\n"


def test_forty_jobs_at_once_on_an_empty_node_pull_once(
    account: Worker, registry: Registry, busybox: wire.Image
) -> None:
    with faulty(registry.host) as counting:
        image = busybox._replace(reference=busybox.reference.replace(registry.host, counting.host))
        node = account.node(cache=str(account.directory / "empty"))
        begun = [account.start(image, f"echo {n} > /usr/n && cat /usr/n", node=node) for n in range(40)]
        for place, process in begun:
            _, err = process.communicate()
            assert process.returncode == 0, err.decode()
            assert json.loads((place / "result.json").read_text())["code"] == 0
        assert counting.blobs == 2, "one layer and one configuration"
    assert sorted(int((place / "out").read_text()) for place, _ in begun) == list(range(40))


RANGE = """\
mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid &&
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give an account a range of ids")
def test_an_account_with_a_range_of_ids_has_real_users_and_keeps_its_files(
    workers: dict[str, Worker], busybox: wire.Image, tmp_path: Path
) -> None:
    require("newuidmap")
    account = workers["nobody"]
    ids = account.directory / "subids"
    ids.write_text("nobody:200000:65536\n")
    ranged = replace(account, become=("unshare", "--mount", "sh", "-c", RANGE, str(ids)))
    command = "mkdir -m 700 d; echo x > d/f; chown -R 33:33 d; stat -c %u d; chown 33 /usr; chmod 700 /usr"
    result = ranged.run(busybox, command, runtimes=["userns"])
    assert (result.out, result.used.uid_map) == ("33\n", "range")
    assert {(result.job / name).stat().st_uid for name in ("d", "d/f")} == {account.uid}
    assert not (result.place / "private").exists()
