"""The demo's sweep on a whole DIRAC, by both ways to it; inputs and results on its storage element."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.demo.data import write_real_series
from tests.demo.nifti import read_header
from tests.demo.steps import DESCRIPTOR
from tests.services.legacy.server import Dirac

pytestmark = [pytest.mark.service, pytest.mark.dirac_grid, pytest.mark.timeout(1800)]

JOBS = 20


@pytest.fixture
def grid(dirac: Dirac, tmp_path: Path) -> Iterator[Desk]:
    """A desk with a DIRAC client, whose files are at `grid:`, a directory of the storage element."""
    storages = {"grid": {"url": f"lfn:{dirac.home}/{tmp_path.name}"}}
    variables = {
        "ENGINE_DIRAC__DIRACOSRC": str(dirac.rc),
        "ENGINE_DIRAC__PROXY": str(dirac.proxy),
        "ENGINE_DIRAC__GROUP": "biomed_user",
        "ENGINE_DIRAC__POLL": "2",
        "ENGINE_DIRAC__SETTLED_AFTER": "10",
        "ENGINE_DIRAC__STORAGE_ELEMENTS": json.dumps([dirac.element]),
        "ENGINE_DIRACX__URL": dirac.diracx.url,
        "ENGINE_DIRACX__TOKEN": str(dirac.token),
        "ENGINE_DIRACX__POLL": "2",
        "ENGINE_DIRACX__SETTLED_AFTER": "10",
        "ENGINE_STORAGES": json.dumps(storages),
        "ENGINE_DATA__RESULTS": '["grid"]',
        "ENGINE_DATA__STAGING": "grid",
        "ENGINE_DATA__CATALOGUE": "dfc:",
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield desk


@pytest.mark.parametrize("backend", ["dirac", "diracx"])
def test_a_sweep_of_the_demo_tool_runs_on_the_grid(grid: Desk, dcm2niix_image: str, backend: str) -> None:
    descriptor = json.loads(DESCRIPTOR.read_text())
    descriptor["container-image"]["image"] = dcm2niix_image
    series = write_real_series(grid.directory / "dicom")["mr-slice"]
    sweep = [{"series": str(series), "name": f"slice-{n}"} for n in range(1, JOBS + 1)]
    tool, jobs = grid.write("tool.json", descriptor), grid.lines("sweep.jsonl", sweep)
    ran = grid.ok("submit", tool, jobs, "--backend", backend, "--json")
    home = grid.directory / "home-coming"
    grid.ok("results", ran.value["id"], "--download", home)
    images = sorted(home.rglob("slice-*.nii.gz"))
    assert len(images) == JOBS
    assert {read_header(image).shape for image in images} == {(64, 64, 1)}
    told = grid.ok("explain", f"{ran.value['id']}:1").out
    assert "says JobWrapper" in told
    [site] = grid.ok("sites", "--json").values
    assert (site["backend"], site["succeeded"]) == (backend, JOBS)


def test_the_doctor_and_the_login_know_the_proxy(grid: Desk, tmp_path: Path) -> None:
    told = grid.ok("doctor", "--backend", "dirac").out
    assert "alice (biomed biomed_user)" in told
    assert "dirac takes jobs" in told
    assert "dirac-proxy-init -g biomed_user" in grid.ok("login").out
    wrong = grid.run("doctor", "--backend", "dirac", variables={"ENGINE_DIRAC__GROUP": "another"})
    assert (wrong.code, "not another" in wrong.out) == (3, True)


def test_files_at_lfn_are_handled_like_any_others(grid: Desk) -> None:
    grid.write("local.txt", "from here\n")
    grid.ok("data", "put", "local.txt", "grid:sub/there.txt")
    assert "there.txt" in grid.ok("data", "ls", "grid:sub").out
    grid.ok("data", "get", "grid:sub/there.txt", "--into", "back.txt")
    assert (grid.directory / "back.txt").read_text() == "from here\n"
    grid.ok("data", "rm", "grid:sub/there.txt")
    assert "there.txt" not in grid.run("data", "ls", "grid:sub").out
