"""The command line with jobs on a grid: a real DiracX server, and a site on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.services.diracx import Diracx

pytestmark = pytest.mark.service


@pytest.fixture
def grid(diracx_site: Diracx, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose jobs go to the grid."""
    variables = {
        "ENGINE_BACKEND": "diracx",
        "ENGINE_DIRACX__URL": diracx_site.url,
        "ENGINE_DIRACX__TOKEN": str(diracx_site.credential()),
        "ENGINE_DIRACX__SHARED_FILES": "true",
        "ENGINE_DIRACX__POLL": "0.5",
        "ENGINE_DIRACX__SETTLED_AFTER": "2",
        "ENGINE_DIRACX__NODE__CACHE": str(tmp_path / "images"),
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield desk


def test_a_sweep_runs_on_the_grid_and_its_results_come_home(grid: Desk, busybox_image: str) -> None:
    tool = grid.tool("echo hello [TEXT] > out.txt", outputs={"out": "out.txt"}, image=busybox_image)
    jobs = grid.lines("jobs.jsonl", [{"text": f"job {n}"} for n in range(3)])
    done = grid.submit(tool, jobs)
    assert done.files("outputs") == ["1/out.txt", "2/out.txt", "3/out.txt"]
    assert done.read("outputs/2/out.txt") == "hello job 1\n"
    told = grid.ok("explain", f"{done.id}:1").out
    assert "it ran with" in told
    assert "says JobWrapper" in told
    [site] = grid.ok("sites", "--json").values
    assert (site["site"], site["state"], site["succeeded"]) == ("LOCAL.Site.xx", "good", 3)
    assert site["runtimes"] == {"userns": 3}


def test_the_doctor_tells_whether_the_grid_takes_jobs(grid: Desk) -> None:
    told = grid.ok("doctor", "--backend", "diracx").out
    assert "alice (biomed biomed_user)" in told
    assert "diracx takes jobs" in told
    assert "logged in as alice" in grid.ok("login").out
    wrong = grid.run("doctor", "--backend", "diracx", variables={"ENGINE_DIRACX__GROUP": "another"})
    assert (wrong.code, "not another" in wrong.out) == (3, True)
    nowhere = {"ENGINE_DIRACX__TOKEN": str(grid.directory / "none.json")}
    assert "dirac login" in grid.ok("login", variables=nowhere).out


def test_nothing_is_written_when_the_credential_is_missing(grid: Desk) -> None:
    nowhere = {"ENGINE_DIRACX__TOKEN": str(grid.directory / "none.json")}
    tool = grid.tool("true", image="127.0.0.1:9/x@sha256:" + "0" * 64)
    refused = grid.run("submit", tool, grid.write("i.json", {}), variables=nowhere)
    assert refused.code in (3, 4), refused
    assert grid.debris() == []


def test_results_go_to_a_storage_from_nodes_that_do_not_share_our_files(
    grid: Desk, busybox_image: str
) -> None:
    tool = grid.tool("cat [FILE] > out.txt", {"file": "File"}, {"out": "out.txt"}, image=busybox_image)
    store = grid.directory / "store"
    store.mkdir()
    grid.write("in.txt", "travelled\n")
    apart = {
        "ENGINE_DIRACX__SHARED_FILES": "false",
        "ENGINE_STORAGES": json.dumps({"disk": {"url": store.as_uri()}}),
        "ENGINE_DATA__RESULTS": '["disk"]',
        "ENGINE_DATA__STAGING": "disk",
    }
    ran = grid.ok("submit", tool, grid.write("i.json", {"file": "in.txt"}), "--json", variables=apart)
    home = grid.directory / "home"
    grid.ok("results", ran.value["id"], "--download", home, variables=apart)
    assert [path.read_text() for path in home.rglob("out.txt")] == ["travelled\n"]
