"""The command line with jobs on a grid: a real DiracX server, and a site on this machine."""

from __future__ import annotations

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
