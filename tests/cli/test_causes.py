"""Every cause of a failure, brought about for real: its class, its tries, and what people are told.

What a user can bring about is typed at the command line of the engine; what only a node can have happens to
the wrapper's command line, as the node runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.cli.failing import denied, found, mounted, nobody_listens, program, pull, run, told
from tests.conftest import ROOT
from tests.node.conftest import Site
from tests.services import images
from tests.services.faults import faulty
from tests.services.pki import make_pki
from tests.services.registry import Registry
from wrappers import wire
from wrappers.causes import CAUSES

pytestmark = pytest.mark.service

MADE: set[str] = set()
BARE = ("--runtime", "none")
ELSEWHERE = {
    "image-platform": "tests/cli/test_image_start.py",
    "image-start": "tests/cli/test_image_start.py",
    "rejected": "tests/reconcile/test_faults.py",
    "stranded": "tests/reconcile/test_stranded.py",
    "image": "tests/runtimes/test_docker.py",
    "mount": "tests/cvmfs_deploy/whole/test_mounts.py",
}
"""Causes that are brought about by other tests."""


def makes(cause: str) -> Callable[[Any], Any]:
    """Say of a test which cause it brings about."""
    MADE.add(cause)
    return lambda test: test


# --- the application, and what was asked for


@makes("tool")
def test_tool(each_desk: Desk) -> None:
    assert "exit code 3" in told(
        each_desk, "tool", each_desk.tool("exit 3"), each_desk.write("i.json", {}), *BARE
    )


@makes("no-output")
def test_no_output(desk: Desk) -> None:
    tool = desk.tool("true", outputs={"o": "o"})
    assert "did not write" in told(desk, "no-output", tool, desk.write("i.json", {}), *BARE)


@makes("arguments-too-long")
def test_arguments_too_long(site: Site) -> None:
    found(run(site, environment={"LONG": "x" * 200_000}), "arguments-too-long")


@makes("input")
def test_input(site: Site) -> None:
    found(run(site, inputs=[wire.Input("in", "file:///nowhere/x", "x")]), "input")


@makes("input-changed")
def test_input_changed(site: Site) -> None:
    (site.root / "x").write_text("four")
    found(run(site, inputs=[wire.Input("in", (site.root / "x").as_uri(), "x", size=5)]), "input-changed")


@makes("input-transfer")
def test_input_transfer(site: Site) -> None:
    wanted = wire.Input("in", f"http://127.0.0.1:{nobody_listens()}/x", "x")
    found(run(site, inputs=[wanted], transfers=wire.Transfers(rounds=1, budget=5.0)), "input-transfer")


@makes("limit")
def test_limit(desk: Desk) -> None:
    told(desk, "limit", desk.tool("sleep 60"), desk.write("i.json", {}), *BARE, "--wall", "0.3")


@makes("cancelled")
def test_cancelled(site: Site) -> None:
    one = site.manifest("echo > begun; kill -TERM $PPID; sleep 60")
    subprocess.run(site.command([one]), env=site.environment, timeout=100, check=True)
    found(site.report(one), "cancelled")


@makes("engine")
def test_engine(site: Site) -> None:
    # Orders that no planning gives: a tool cannot bring about a defect of ours any more.
    found(run(site, files=[wire.TextFile("../outside", "x")]), "engine")


@makes("lost")
def test_lost(desk: Desk) -> None:
    desk.submit(desk.tool("kill -KILL $PPID; sleep 60"), desk.write("i.json", {}), *BARE, code=1)
    (job,) = desk.ok("jobs", "--json").values
    assert (job["failure"], job["attempts"]) == ("lost", 1 + CAUSES["lost"].again)


# --- results


@makes("output")
def test_output(site: Site) -> None:
    (site.root / "file").touch()
    to = (site.root / "file" / "below").as_uri()
    report = run(site, command="touch o", outputs=[wire.Output("o", "o")], outputs_to=to)
    found(report, "output")


@makes("results-full")
def test_results_full(desk: Desk) -> None:
    tool = desk.tool("head -c 3000000 /dev/urandom > o", outputs={"o": "o"})
    full = mounted(desk.directory / "results", "size=1m,nr_inodes=1000")
    assert "is kept in" in told(desk, "results-full", tool, desk.write("i.json", {}), *BARE, before=full)


# --- images


@makes("image-missing")
def test_image_missing(site: Site, registry: Registry) -> None:
    found(pull(site, f"{registry.host}/vip/gone:1.0"), "image-missing")


@makes("image-denied")
def test_image_denied(site: Site, registry: Registry) -> None:
    with faulty(registry.host) as closed:
        closed.login = "ada:secret"
        found(pull(site, f"{closed.host}/vip/gone:1.0"), "image-denied")


@makes("registry-down")
def test_registry_down(site: Site, registry: Registry) -> None:
    with faulty(registry.host) as down:
        down.refuse = [418] * 50
        found(pull(site, f"{down.host}/vip/gone:1.0"), "registry-down")


@makes("image-damaged")
def test_image_damaged(site: Site, registry: Registry) -> None:
    digest = images.push(registry.url, "vip/damaged:1.0", [b"no tar" * 1000])
    found(pull(site, f"{registry.host}/vip/damaged:1.0", digest), "image-damaged")


@makes("image-not-here")
def test_image_not_here(site: Site, registry: Registry) -> None:
    site.node = site.node._replace(pull=False)
    found(pull(site, f"{registry.host}/vip/gone:1.0"), "image-not-here")


# --- nodes


@makes("node")
def test_node(site: Site) -> None:
    (site.root / "file").touch()
    site.node = site.node._replace(scratch=str(site.root / "file/scratch"))
    found(run(site), "node")


@makes("no-runtime")
def test_no_runtime(desk: Desk, busybox_image: str) -> None:
    if shutil.which("apptainer"):
        pytest.skip("apptainer is installed")
    told(
        desk,
        "no-runtime",
        desk.tool("true", image=busybox_image),
        desk.write("i.json", {}),
        "--runtime",
        "apptainer",
    )


@makes("runtime-failed")
def test_runtime_failed(site: Site) -> None:
    shell = site.root / "shell"
    shell.write_bytes(program(183))
    shell.chmod(0o755)
    found(run(site, shell=str(shell)), "runtime-failed")


@makes("no-python")
def test_no_python(site: Site) -> None:
    (site.root / "wrapper.pyz").write_bytes(site.wrapper.read_bytes()[:1000])
    shutil.copy(ROOT / "wrappers/launch.sh", site.root)
    one = site.manifest("true")
    subprocess.run(["sh", site.root / "launch.sh", *site.command([one])[4:]], timeout=100)
    found(site.report(one), "no-python")


@makes("too-little-disk")
def test_too_little_disk(desk: Desk) -> None:
    variables = {"ENGINE_LIMITS__DISK": str(10**18)}
    told(desk, "too-little-disk", desk.tool("true"), desk.write("i.json", {}), *BARE, variables=variables)


@makes("no-space")
@pytest.mark.parametrize("options", ["size=8m", "nr_inodes=12"], ids=["bytes", "inodes"])
def test_no_space(desk: Desk, options: str) -> None:
    place = desk.directory / "scratch"
    command = "head -c 30000000 /dev/zero > o" if "size" in options else "touch $(seq 30)"
    told(
        desk,
        "no-space",
        desk.tool(command),
        desk.write("i.json", {}),
        *BARE,
        before=mounted(place, options),
        variables={"ENGINE_NODE__SCRATCH": str(place)},
    )


WRITERS = {
    "a tool": "exec head -c 300000 /dev/zero > big",
    "a child of the tool": "head -c 300000 /dev/zero > big",
    "a tool that is told": "trap '' XFSZ; head -c 300000 /dev/zero > big || exit 3",
    "standard output": "trap '' XFSZ; head -c 300000 /dev/zero || exit 3",
}


@makes("file-size")
@pytest.mark.parametrize("who", ["the wrapper", *WRITERS])
def test_file_size(site: Site, who: str) -> None:
    (site.root / "big").write_bytes(bytes(300_000))
    inputs = [wire.Input("in", (site.root / "big").as_uri(), "big")] if who == "the wrapper" else []
    command = WRITERS.get(who, "true")
    found(run(site, "prlimit", "--fsize=200000", command=command, inputs=inputs), "file-size")


def test_a_limit_that_a_tool_sets_itself_is_its_own(site: Site) -> None:
    found(run(site, command=f"ulimit -f 100; {WRITERS['a tool']}"), "tool")
    found(run(site, command="ulimit -t 1; while :; do :; done"), "tool")


@makes("cpu-time")
@pytest.mark.parametrize("limit", ["1:100", "1:1"], ids=["soft", "hard"])
@pytest.mark.parametrize("start", ["", "exec "], ids=["a child", "the tool"])
def test_cpu_time(site: Site, limit: str, start: str) -> None:
    command = f"{start}sh -c 'while :; do :; done'"
    found(run(site, "prlimit", f"--cpu={limit}", command=command), "cpu-time")


@makes("names")
def test_names(site: Site) -> None:
    deep = "/".join(["x" * 200] * 25)  # more than PATH_MAX
    (site.root / "x").touch()
    found(run(site, inputs=[wire.Input("in", (site.root / "x").as_uri(), deep)]), "names")


@makes("read-only")
def test_read_only(site: Site) -> None:
    site.node = site.node._replace(scratch=str(site.root / "scratch"))
    found(run(site, *mounted(site.root / "scratch", "ro")), "read-only")


@makes("forbidden")
def test_forbidden(ordinary_desk: Desk) -> None:
    place = ordinary_desk.directory / "closed"
    place.mkdir(mode=0o555)
    told(
        ordinary_desk,
        "forbidden",
        ordinary_desk.tool("true"),
        ordinary_desk.write("i.json", {}),
        *BARE,
        variables={"ENGINE_NODE__SCRATCH": str(place)},
    )


@makes("disk-error")
def test_disk_error(site: Site) -> None:
    site.into.mkdir()
    found(run(site, *denied("directories=EIO")), "disk-error")


@makes("open-files")
def test_open_files(site: Site) -> None:
    reports = []
    for limit in range(24, 3, -1):  # until it is too low for the wrapper, but not for Python
        one = site.manifest("true")
        command = ["prlimit", f"--nofile={limit}", *site.command([one])]
        if subprocess.run(command, env=site.environment, stderr=subprocess.DEVNULL).returncode:
            break
        reports.append(site.report(one))
    # a shell that cannot open its script fails too, and says so by its exit code
    failed = [report for report in reports if report.failure not in ("", wire.TOOL)]
    assert failed
    for report in failed:
        found(report, "open-files")


@makes("processes")
def test_processes(site: Site) -> None:
    found(run(site, *denied("processes=EAGAIN")), "processes")


def test_threads(site: Site, registry: Registry, busybox_image: str) -> None:
    digest = images.push(registry.url, "vip/threads:1.0", [images.busybox_layer()])
    report = pull(site, f"{registry.host}/vip/threads:1.0", digest, *denied("clone=EAGAIN,clone3=EAGAIN"))
    found(report, "processes")


@makes("memory")
def test_memory(site: Site) -> None:
    found(run(site, *denied("processes=ENOMEM")), "memory")


@makes("no-network")
@pytest.mark.long
def test_no_network(site: Site) -> None:
    namespace = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--map-root-user")
    found(pull(site, "127.0.0.1:5000/vip/busybox:1.0", "sha256:" + "0" * 64, *namespace), "no-network")


@makes("registry-untrusted")
def test_registry_untrusted(site: Site, registry: Registry) -> None:
    with faulty(registry.host, make_pki(site.root / "pki")) as strange:
        image = wire.Image("", "sha256:" + "0" * 64, url=f"https://{strange.host}/root.tar")
        found(run(site, image=image, runtimes=["userns"]), "registry-untrusted")


def test_every_cause_is_brought_about() -> None:
    assert MADE | set(ELSEWHERE) == set(CAUSES)
    assert not [place for place in ELSEWHERE.values() if not (ROOT / place).exists()]
