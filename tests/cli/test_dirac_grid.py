"""The command line with jobs on a whole DIRAC, by either of its doors; files on its storage element."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.desk import Desk, desk_in
from tests.services.legacy.server import Dirac

pytestmark = [pytest.mark.service, pytest.mark.dirac_grid, pytest.mark.timeout(1800)]

JOBS = 20
DARTS = (
    "awk -v seed=[SEED] -v darts=$(cat [DARTS]) 'BEGIN { srand(seed); while (darts-- > 0) { x = rand();"
    " y = rand(); if (x * x + y * y < 1) hits++ }; print hits }' > hits.txt"
)


@pytest.fixture
def door() -> str:
    """The back-end; a test may name another."""
    return "dirac"


@pytest.fixture
def grid(door: str, dirac: Dirac, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose jobs go to DIRAC: by its own client, or by DiracX."""
    place = f"{dirac.home}/{uuid4().hex}"
    diracx = (
        {}
        if dirac.diracx is None
        else {
            "ENGINE_BACKENDS__DIRACX__URL": dirac.diracx.url,
            "ENGINE_BACKENDS__DIRACX__TOKEN": str(dirac.token),
        }
    )
    variables = {
        "ENGINE_BACKEND": door,
        "ENGINE_BACKENDS__DIRAC__DIRACOSRC": str(dirac.rc),
        "ENGINE_BACKENDS__DIRAC__STORAGE_ELEMENTS": json.dumps([dirac.element]),
        **diracx,
        f"ENGINE_BACKENDS__{door.upper()}__POLL": "1",
        f"ENGINE_BACKENDS__{door.upper()}__NODE__CACHE": str(tmp_path / "images"),
        "PLACE": place,
        "ENGINE_DATA__CATALOGUE": "dfc:",
        "ENGINE_STORAGES": json.dumps({"se": {"url": f"lfn:{place}"}}),
        "ENGINE_DATA__RESULTS": '["se"]',
        "ENGINE_DATA__STAGING": "se",
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield desk


def test_a_sweep_reads_from_and_writes_to_the_storage_element(
    grid: Desk, dirac: Dirac, busybox_image: str
) -> None:
    sweep(grid, dirac, busybox_image)


@pytest.mark.parametrize("dirac", [9], indirect=True)
@pytest.mark.parametrize("door", ["diracx"])
def test_a_sweep_through_diracx_does_so_too(grid: Desk, dirac: Dirac, busybox_image: str) -> None:
    sweep(grid, dirac, busybox_image)


def sweep(grid: Desk, dirac: Dirac, image: str) -> None:
    """Submit the jobs, bring their results home, and look at them."""
    given = f"{grid.environment['PLACE']}/darts.txt"
    grid.write("darts.txt", "20000\n")
    # of its own, or DIRAC makes it from the content, and its catalogue knows each but once
    identity = str(uuid4())
    dirac.run("dirac-dms-add-file", given, str(grid.directory / "darts.txt"), dirac.element, identity)
    tool = grid.tool(
        DARTS,
        {"seed": {"type": "Number", "integer": True}, "darts": "File"},
        {"hits": "hits.txt"},
        image=image,
    )
    requests = grid.lines(
        "sweep.jsonl", [{"seed": seed, "darts": f"lfn:{given}"} for seed in range(1, JOBS + 1)]
    )
    execution = grid.ok("submit", tool, requests, "--group", "5", "--json").value
    home = grid.directory / "home-again"
    grid.ok("results", execution["id"], "--download", home)
    hits = [int(file.read_text()) for file in home.rglob("hits.txt")]
    assert len(hits) == JOBS
    assert len(set(hits)) > JOBS / 4
    assert abs(4 * sum(hits) / (JOBS * 20_000) - 3.14159) < 0.03
    kept = {row["url"] for row in grid.ok("results", execution["id"], "--json").values}
    assert all(url.startswith(f"lfn:{grid.environment['PLACE']}/") for url in kept), kept
