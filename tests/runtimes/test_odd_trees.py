"""Images whose tree is not what a runtime likes to find: links to nowhere, accounts, homes, closed files."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.runtimes.conftest import pinned
from tests.runtimes.test_modes import NO_OVERLAY
from tests.runtimes.worker import Worker
from tests.services import images
from tests.services.registry import Registry
from wrappers import wire
from wrappers.containers import cvmfs

pytestmark = pytest.mark.service

Push = Callable[..., wire.Image]
WAYS = ["overlay", "copy", "readonly", "udocker"]


@pytest.fixture
def push(registry: Registry) -> Push:
    """Make an image of busybox and further entries."""
    numbers = iter(range(1000))

    def make(*entries: dict[str, Any], config: dict[str, Any] | None = None) -> wire.Image:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for entry in entries:
                images.add(tar, **entry)
        layers = [images.busybox_layer(), buffer.getvalue()]
        name = f"trees/{os.urandom(6).hex()}:{next(numbers)}"
        images.push(registry.url, name, layers, config=config)
        return pinned(f"{registry.host}/{name}")

    return make


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(account: Worker, way: str, image: wire.Image, command: str, mode: str = "", **options: Any) -> Any:
    """A job in one of the ways to have a root directory."""
    if way in ("copy", "readonly"):
        (account.directory / "code" / "no_overlay.py").write_text(NO_OVERLAY)
        account = replace(account, program="no_overlay.py")
    if way == "readonly":
        options["root"] = "readonly"
    done = account.run(image, command, runtimes=["udocker" if way == "udocker" else "userns"], **options)
    if "error" not in done.told and way != "udocker":
        assert done.used.mode == (mode or way)
    return done


def link(name: str, target: str) -> dict[str, Any]:
    return {"name": name, "link": target, "kind": tarfile.SYMTYPE}


@pytest.mark.parametrize(
    "links",
    [
        [link("home", "var/home"), link("srv", "/var/srv")],
        [link("tmp", "var/scratch"), link("var/tmp", "../scratch/tmp")],
        [link("tmp", "/nowhere/deep/tmp"), link("var/tmp", "/tmp")],
        [link("new", "/other"), link("other", "else/where")],
        [link("proc", "var/proc"), link("sys", "/run/sys"), link("dev", "lib/dev")],
        [link("etc/resolv.conf", "../run/nowhere/resolv.conf"), link("etc/hosts", "/dev/null/x")],
        [link("new", "new2"), link("new2", "new")],
    ],
    ids=["home", "tmp", "deep", "chain", "kernel", "files", "circle"],
)  # fmt: skip
def test_links_to_nowhere_above_and_at_mount_points(
    account: Worker, push: Push, way: str, links: list[dict[str, Any]]
) -> None:
    image = push(*links)
    command = (
        "cd /new/place && echo there; echo x > /tmp/t; cat /var/tmp/t; "
        "cat /etc/hosts > /dev/null && echo hosts; ls /proc/self/fd > /dev/null && echo proc"
    )
    done = run(account, way, image, command, workdir="/new/place")
    if way == "udocker" and any(one["name"] == "new2" for one in links):
        assert "go round in a circle" in done.told["message"]
        return
    assert done.told.get("code") == 0, done.told
    assert done.out == "there\nx\nhosts\nproc\n"


def test_no_link_of_an_image_leads_to_the_host(account: Worker, push: Push) -> None:
    place = account.directory / "host"
    place.mkdir(exist_ok=True)
    account.give(place)
    image = push(
        link("new", f"/.host{place}"), link("home", f"/.host{place}"), config={"Env": ["HOME=/home/me"]}
    )
    done = account.run(image, "echo x", runtimes=["userns"], workdir="/new/place")
    assert list(place.iterdir()) == []
    assert done.told.get("started") is not True


@pytest.mark.parametrize(
    "passwd",
    [b"caf\xe9:x:1000:1000::/:/bin/sh\n", b"", b"me:x:1000:1000::/:/bin/sh", b"\xff\xfe\0\0"],
    ids=str,
)
def test_accounts_of_an_image_that_are_no_text_or_lack_root(
    account: Worker, push: Push, way: str, passwd: bytes
) -> None:
    image = push({"name": "etc/passwd", "content": passwd}, {"name": "etc/group", "content": passwd})
    done = run(account, way, image, "id -un; id -gn; tail -n +2 /etc/passwd > got")
    assert done.out == "root\nroot\n", done.told
    assert (done.job / "got").read_bytes() == passwd


@pytest.mark.parametrize(
    "home", ["/home/nobody/deep/below", "/nonexistent", "", "relative", "/etc/passwd/x", "/dev/null", "/proc"]
)
def test_a_home_that_the_image_does_not_have_is_writable_all_the_same(
    account: Worker, push: Push, way: str, home: str
) -> None:
    image = push(config={"Env": [f"HOME={home}"]})
    done = run(account, way, image, 'echo x > "$HOME/mine" && cat "$HOME/mine"; echo "$HOME"')
    written, shown = done.out.splitlines()
    assert written == "x"
    makes = home.startswith(("/home", "/nonexistent")) and way != "readonly"
    assert shown == (home if makes else str(done.job))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
@pytest.mark.parametrize("way", ["overlay", "copy", "udocker"])
def test_files_that_the_account_cannot_read_do_not_keep_the_others(
    workers: dict[str, Worker], push: Push, way: str
) -> None:
    account = workers["nobody"]
    image = push({"name": "closed/file", "content": "x"}, {"name": "shut", "content": "x"})
    run(account, "overlay", image, "true")
    containers = account.directory / f"closed-trees-{way}"
    place = cvmfs.path_for(containers, image.digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(account.cache / "ready" / place.name, place, symlinks=True)
    subprocess.run(["chown", "-R", "root:root", containers], check=True)
    subprocess.run(["chmod", "-R", "a+rX", containers], check=True)
    (place / "ROOT/shut").chmod(0o600)
    (place / "ROOT/closed").chmod(0o700)
    node = account.node(cvmfs=[str(containers)], pull=False)
    done = run(account, way, image, "echo ran", node=node)
    assert done.out == "ran\n"
    told = [line for line in done.used.warnings if "cannot be read by this account" in line]
    assert len(told) == (0 if way == "overlay" else 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
@pytest.mark.parametrize("way", WAYS)
def test_a_cache_where_nothing_can_be_executed(
    account: Worker, busybox: wire.Image, way: str, tmp_path: Path
) -> None:
    cache = account.directory / f"noexec-{way}"
    cache.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,mode=777,size=64m", "none", cache], check=True)
    try:
        node = account.node(cache=str(cache))
        done = run(account, way, busybox, "echo ran", {"readonly": "copy"}.get(way, way), node=node)
        assert done.told.get("code") == 0, done.told
        assert done.out == "ran\n"
    finally:
        subprocess.run(["umount", "-l", cache], check=True)
