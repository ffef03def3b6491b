"""Directories of the node, and inputs, on a mount that hangs: no job waits for it, and each says so."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.node.conftest import Site, file_input, outputs
from tests.services.fuse import Mount, mounted
from wrappers import wire
from wrappers.containers.remote import is_remote

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system for all users"),
]


@pytest.fixture
def mount(site: Site) -> Iterator[Mount]:
    source = site.root / "source"
    source.mkdir()
    (source / "input.txt").write_text("hello\n")
    site.node = site.node._replace(patience=2.0)
    with mounted(source, site.root / "mount") as running:
        yield running


FAILURES = pytest.mark.parametrize("fail", [Mount.stop, Mount.deafen])


@FAILURES
def test_scratch_on_a_mount_that_hangs_is_the_nodes_fault(
    site: Site, mount: Mount, fail: Callable[[Mount], None]
) -> None:
    site.node = site.node._replace(scratch=str(mount.place / "scratch"))
    fail(mount)
    report = site.one("true")
    assert (report.failure, report.cause) == (wire.NODE, "disk-error")
    assert f"{mount.place}/scratch" in report.message
    assert "does not answer" in report.message


@FAILURES
def test_an_input_on_a_mount_that_hangs_is_named(
    site: Site, mount: Mount, fail: Callable[[Mount], None]
) -> None:
    wanted = file_input(mount.place / "input.txt")
    assert site.one("cat input.txt", inputs=[wanted]).outcome == wire.SUCCEEDED
    fail(mount)
    report = site.one("cat input.txt", inputs=[wanted])
    assert (report.failure, report.cause) == (wire.NODE, "disk-error")
    assert f"{mount.place}/input.txt does not answer" in report.message


def test_a_link_to_a_mount_that_hangs_is_seen_through(site: Site, mount: Mount) -> None:
    (site.root / "data").symlink_to("mount")
    mount.stop()
    report = site.one("cat input.txt", inputs=[file_input(site.root / "data/input.txt")])
    assert (report.failure, "does not answer" in report.message) == (wire.NODE, True), report


def test_inputs_are_fetched_without_their_cache_where_that_hangs(site: Site, mount: Mount) -> None:
    site.node = site.node._replace(inputs=str(mount.place / "inputs"))
    (site.root / "served").mkdir()
    (site.root / "served/x").write_text("from afar\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(site.root / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        mount.stop()
        wanted = wire.Input("in", f"http://127.0.0.1:{server.server_port}/x", "x")
        report = site.one("cat x > o", inputs=[wanted], outputs=outputs(o="o"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert report.outcome == wire.SUCCEEDED, report
    assert (site.results / report.attempt / "o").read_text() == "from afar\n"


def test_a_program_is_found_behind_a_directory_of_path_that_hangs(site: Site, mount: Mount) -> None:
    site.environment["PATH"] = f"{mount.place}:{os.defpath}"
    mount.stop()
    report = site.one(
        "true", runtimes=["apptainer"], image=wire.Image("localhost/none:1", "sha256:" + "0" * 64)
    )
    assert (report.failure, "apptainer" in report.message) == (wire.NODE, True), report


def test_what_is_on_a_mount_is_told_from_what_is_not(mount: Mount, tmp_path: Path) -> None:
    """Without touching it: this mount is gone."""
    (tmp_path / "link").symlink_to(mount.place / "x")
    (tmp_path / "back").symlink_to("mount/../other")
    (tmp_path / "loop").symlink_to("loop")
    mount.stop()
    for place in (mount.place, mount.place / "no/such", tmp_path / "link", tmp_path / "link/y"):
        assert is_remote(str(place)), place
    for place in (tmp_path, tmp_path / "no/such", tmp_path / "loop", mount.place.parent):
        assert not is_remote(str(place)), place
