"""Which image runs, and who says so: digests, pre-deployed containers, tarballs, images of a site."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.services.images import busybox_layer
from tests.services.proot import proot_for_tests
from wrappers.containers import cvmfs
from wrappers.containers.reference import parse

pytestmark = pytest.mark.service

DOWN = "127.0.0.1:9"
"""A registry that is not there."""
COMMAND = "echo $(busybox | head -1) > o"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system as a tarball."""
    path = tmp_path_factory.mktemp("rootfs") / "root.tar.gz"
    path.write_bytes(gzip.compress(busybox_layer()))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tool(desk: Desk, image: dict[str, Any], command: str = COMMAND, **more: Any) -> str:
    """A tool with this container-image."""
    name = desk.tool(command, outputs={"o": "o"}, **more)
    data = json.loads((desk.directory / name).read_text())
    data["container-image"] = image
    return desk.write(name, data)


@pytest.fixture
def proot(tmp_path: Path) -> dict[str, str]:
    """The variable that has the engine use a proot that works."""
    return {"ENGINE_NODE__PROOT": str(proot_for_tests(tmp_path))}


@pytest.mark.parametrize("runtime", ["userns", "udocker"])
def test_a_root_file_system_of_this_machine_runs(
    desk: Desk, archive: Path, proot: dict[str, str], runtime: str
) -> None:
    shutil.copy(archive, desk.directory / "my root.tar.gz")
    descriptor = tool(desk, {"type": "rootfs", "url": "my root.tar.gz"})
    done = desk.submit(descriptor, desk.write("i.json", {}), "--runtime", runtime, variables=proot)
    assert done.read("outputs/o").startswith("BusyBox")
    used = done.record()["additional-information"]
    assert used["image"]["digest"] == used["runtime"]["digest"] == f"sha256:{sha256(archive)}"
    assert used["runtime"]["origin"] == "pulled"
    again = desk.submit(descriptor, "i.json", "--runtime", runtime, variables=proot)
    assert again.record()["additional-information"]["runtime"]["origin"] == "cache"


def test_a_root_file_system_that_changed_after_the_plan_is_refused(desk: Desk, archive: Path) -> None:
    wrong = {"type": "rootfs", "url": str(archive), "container-hash": "0" * 64}
    ran = desk.run("plan", tool(desk, wrong), desk.write("i.json", {}))
    assert ran.code == 2
    assert f"has sha256 {sha256(archive)}, and container-hash says 0000" in ran.err


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ({"url": "https://example.org/r.tar"}, "give the tarball's sha256 as container-image.container-hash"),
        ({"url": "ftp://example.org/r.tar"}, "ftp: cannot be fetched engine: use file:, http: or https:"),
        ({"url": "none.tar"}, "container-image.url none.tar: No such file or directory"),
        ({"url": "https://e.org/r", "container-hash": "md5"}, "container-hash: 'md5' is not a sha256"),
    ],
)  # fmt: skip
def test_a_root_file_system_that_cannot_be_pinned_is_refused(
    desk: Desk, image: dict[str, str], problem: str
) -> None:
    ran = desk.run("plan", tool(desk, {"type": "rootfs", **image}), desk.write("i.json", {}))
    assert ran.code == 2
    assert problem in " ".join(ran.lines)


class Cut(SimpleHTTPRequestHandler):
    """Serves a directory; the first answer ends half-way."""

    cuts = 1

    def copyfile(self, source: Any, outputfile: Any) -> None:
        if type(self).cuts > 0:
            type(self).cuts -= 1
            outputfile.write(source.read(1000))
            return
        super().copyfile(source, outputfile)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(archive: Path) -> Iterator[str]:
    """The URL of a server that has the archive."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Cut, directory=str(archive.parent))) as server:
        Cut.cuts = 1
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_root_file_system_on_the_web_runs_even_if_a_transfer_was_cut(
    desk: Desk, archive: Path, web: str
) -> None:
    image = {"type": "rootfs", "url": f"{web}/root.tar.gz", "container-hash": f"sha256:{sha256(archive)}"}
    done = desk.submit(tool(desk, image), desk.write("i.json", {}), "--runtime", "userns")
    assert done.read("outputs/o").startswith("BusyBox")


@pytest.mark.parametrize(("name", "says"), [("root.tar.gz", "has sha256"), ("no.tar", "does not exist")])
def test_a_root_file_system_that_is_another_than_planned_never_runs(
    desk: Desk, web: str, name: str, says: str
) -> None:
    image = {"type": "rootfs", "url": f"{web}/{name}", "container-hash": "a" * 64}
    done = desk.submit(tool(desk, image), desk.write("i.json", {}), "--runtime", "userns", code=1)
    assert "failed (image)" in done.ran.err
    assert says in done.ran.err
    assert done.files("outputs") == []


def test_a_digest_in_the_name_needs_no_registry_at_plan_time(desk: Desk) -> None:
    image = f"{DOWN}/a/b@sha256:{'1' * 64}"
    ran = desk.ok("plan", tool(desk, {"type": "docker", "image": image}), desk.write("i.json", {}))
    assert f"{image} (from the digest in its name)" in ran.out


def test_a_pre_deployed_image_needs_no_registry(desk: Desk, busybox_image: str) -> None:
    here = tool(desk, {"type": "docker", "image": busybox_image})
    first = desk.submit(here, desk.write("i.json", {}), "--runtime", "userns")
    cached = Path(first.record()["additional-information"]["image"]["digest"].replace(":", "-"))
    containers = desk.directory / "containers"
    name = f"{DOWN}/vip/busybox:1.0"
    ready = desk.home / ".cache/boutiques-engine/images/ready"
    shutil.copytree(ready / cached, containers / ".store" / cached, symlinks=True)
    (containers / cvmfs.name_for(parse(name))).symlink_to(Path(".store") / cached)
    settings = {"ENGINE_NODE__CVMFS": f'["{containers}"]'}
    other = tool(desk, {"type": "docker", "image": name})
    ran = desk.ok("plan", other, "i.json", "--json", variables=settings)
    assert ran.value["pinned_by"] == str(containers / cvmfs.name_for(parse(name)))
    done = desk.submit(other, "i.json", "--runtime", "userns", variables=settings)
    assert done.record()["additional-information"]["runtime"]["origin"] == "cvmfs"


def test_a_registry_that_is_down_is_told_with_what_helps(desk: Desk) -> None:
    ran = desk.run("plan", tool(desk, {"type": "docker", "image": f"{DOWN}/a/b:1"}), desk.write("i.json", {}))
    assert ran.code == 3
    assert f"name the image by its digest ({DOWN}/a/b@sha256:...)" in ran.err


@pytest.mark.parametrize("runtime", ["userns", "udocker"])
def test_an_image_where_vip_has_it_runs_without_a_registry(
    desk: Desk, archive: Path, busybox_image: str, proot: dict[str, str], runtime: str
) -> None:
    flat = desk.directory / "images/legacy/busybox"
    flat.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(flat)
    (flat / ".singularity.d/env").mkdir(parents=True)
    (flat / ".singularity.d/env/10-docker2singularity.sh").write_text(
        'export MINE="${MINE:-"a value"}"\nexport EVIL="$(id)"\n'
    )
    settings = {**proot, "ENGINE_NODE__IMAGES": str(desk.directory / "images")}
    host = busybox_image.partition("/")[0]
    image = {"type": "singularity", "index": "docker://", "image": f"{host}/nobody/has:1"}
    descriptor = tool(
        desk, image, command='echo "$MINE$EVIL" > o; touch /new', custom={"vip:imagepath": "legacy/busybox"}
    )
    done = desk.submit(descriptor, desk.write("i.json", {}), "--runtime", runtime, variables=settings)
    assert done.read("outputs/o") == "a value\n"
    used = done.record()["additional-information"]["runtime"]
    assert (used["origin"], used["image"]) == ("site", str(flat))
    assert "was taken by its name" in used["warnings"][0]
    assert not (flat / "new").exists()


ANSWERS = {"down": DOWN, "credentials": "401", "error": "500", "no registry": "200"}


@pytest.mark.parametrize("path", ["legacy/busybox", ""], ids=["by vip:imagepath", "by its name"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_image_that_is_found_by_its_name_needs_no_registry_whatever_it_answers(
    desk: Desk, archive: Path, answer: str, path: str
) -> None:
    flat = desk.directory / "images" / (path or "has-1")
    flat.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(flat)
    settings = {"ENGINE_NODE__IMAGES": str(desk.directory / "images")}
    with registry_that_answers(int(answer)) if answer.isdigit() else nullcontext(answer) as host:
        image = {"type": "singularity", "index": "docker://", "image": f"{host}/nobody/has:1"}
        descriptor = tool(desk, image, custom={"vip:imagepath": path} if path else {})
        planned = desk.ok("plan", descriptor, desk.write("i.json", {}), "--json", variables=settings)
        done = desk.submit(descriptor, "i.json", "--runtime", "userns", variables=settings)
    assert planned.value["pinned_by"] == f"nobody; jobs need it at {path or 'has-1'}"
    assert "BusyBox" in done.read("outputs/o")
    assert done.record()["additional-information"]["runtime"]["origin"] == "site"


@contextmanager
def registry_that_answers(status: int) -> Iterator[str]:
    """A server that answers every request so, with a document that is no manifest."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_descriptor_cannot_choose_among_the_nodes_own_files(desk: Desk, busybox_image: str) -> None:
    for path in ("/", "/usr/..", "/etc"):
        descriptor = tool(desk, {"type": "docker", "image": busybox_image}, custom={"vip:imagepath": path})
        done = desk.submit(descriptor, desk.write("i.json", {}), "--runtime", "userns")
        assert done.record()["additional-information"]["runtime"]["origin"] in ("pulled", "cache")
        assert "ignored; images lie below the setting node.images or /cvmfs" in done.ran.err
