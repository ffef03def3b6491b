"""The commands around jobs on a whole DIRAC: its proxy, and files at its storage element."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.desk import Desk, desk_in
from tests.services.legacy.server import Dirac

pytestmark = [pytest.mark.service, pytest.mark.dirac_grid, pytest.mark.timeout(1800)]


@pytest.fixture
def grid(dirac: Dirac, tmp_path: Path) -> Iterator[Desk]:
    """A desk with a DIRAC client, whose files are at `grid:`, a directory of the storage element."""
    storages = {"grid": {"url": f"lfn:{dirac.home}/{tmp_path.name}"}}
    variables = {
        "ENGINE_BACKENDS__DIRAC__DIRACOSRC": str(dirac.rc),
        "ENGINE_BACKENDS__DIRAC__PROXY": str(dirac.proxy),
        "ENGINE_BACKENDS__DIRAC__GROUP": "biomed_user",
        "ENGINE_BACKENDS__DIRAC__STORAGE_ELEMENTS": json.dumps([dirac.element]),
        "ENGINE_STORAGES": json.dumps(storages),
    }
    with desk_in(tmp_path, environment=variables) as desk:
        yield desk


def test_the_doctor_and_the_login_know_the_proxy(grid: Desk) -> None:
    told = grid.ok("doctor", "--backend", "dirac").out
    assert "alice (biomed biomed_user)" in told
    assert "dirac takes jobs" in told
    assert "dirac-proxy-init -g biomed_user" in grid.ok("login").out
    wrong = grid.run("doctor", "--backend", "dirac", variables={"ENGINE_BACKENDS__DIRAC__GROUP": "another"})
    assert (wrong.code, "not another" in wrong.out) == (3, True)


def test_files_at_lfn_are_handled_like_any_others(grid: Desk) -> None:
    grid.write("local.txt", "from here\n")
    grid.ok("data", "put", "local.txt", "grid:sub/there.txt")
    assert "there.txt" in grid.ok("data", "ls", "grid:sub").out
    grid.ok("data", "get", "grid:sub/there.txt", "--into", "back.txt")
    assert (grid.directory / "back.txt").read_text() == "from here\n"
    grid.ok("data", "rm", "grid:sub/there.txt")
    assert "there.txt" not in grid.run("data", "ls", "grid:sub").out
