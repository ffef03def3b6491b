"""Files and directories that a tool closed, also to its own user: delivered, brought home and removed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.cli.anywhere import Anywhere
from tests.cli.desk import Desk

pytestmark = pytest.mark.service

CLOSED = (
    "mkdir -p ro/deep locked/x parent && echo 1 > ro/deep/f && echo 2 > locked/x/f && echo 3 > parent/file"
    " && echo 4 > top && chmod 444 ro/deep/f && chmod 555 ro/deep ro && chmod 000 locked/x/f"
    " && chmod 000 locked/x && chmod 000 locked"
    " && chmod 400 parent/file && chmod 500 parent && chmod 000 top"
)
OUTPUTS = {"ro": "ro", "x": "locked/x", "file": "par*/f*", "top": "top"}


def close(directory: Path) -> None:
    """Take every right from everybody, as somebody who tidies up may."""
    for path in sorted(directory.rglob("*"), reverse=True):
        path.chmod(0o500 if path.is_dir() else 0o400)
    directory.chmod(0o500)


def test_what_a_tool_closed_is_delivered_and_purged(anywhere: Anywhere) -> None:
    done = anywhere.run(CLOSED, outputs=OUTPUTS)
    files = ["locked/x/f", "parent/file", "ro/deep/f", "top"]
    assert done.files("outputs") == files
    for path in (done.results / "outputs").rglob("*"):
        wanted = stat.S_IRWXU if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR
        assert path.stat().st_mode & wanted == wanted, path
    assert [done.read(f"outputs/{name}") for name in files] == ["2\n", "3\n", "1\n", "4\n"]
    assert [path for path in (anywhere.desk.spool / "jobs").glob("*/*") if path.is_dir()] == []
    for _ in range(2):
        anywhere.desk.ok("results", "--download", "home")
    close(done.results)
    purged = anywhere.desk.ok("purge", "--older-than", "0", "--files")
    assert purged.out.split() == [done.id]
    assert not os.path.lexists(done.results)


def test_what_cannot_be_removed_is_told_and_its_execution_stays(ordinary_desk: Desk) -> None:
    tool = ordinary_desk.tool("mkdir d; touch d/o", outputs={"o": "d"})
    done = ordinary_desk.submit(tool, ordinary_desk.write("i.json", {}), "--runtime", "none")
    done.results.parent.chmod(0o500)
    try:
        ran = ordinary_desk.run("purge", "--older-than", "0", "--files")
        assert ran.code != 0
        assert str(done.results) in ran.err
        assert ran.out == ""
        assert ordinary_desk.ok("list", "--json").value["id"] == done.id
    finally:
        done.results.parent.chmod(0o755)
    assert ordinary_desk.ok("purge", "--older-than", "0", "--files").out.split() == [done.id]
    assert not done.results.exists()


def test_results_that_somebody_removed_already_are_no_trouble(desk: Desk) -> None:
    tool = desk.tool("touch o", outputs={"o": "o"})
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "none")
    done.results.rename(desk.directory / "elsewhere")
    assert desk.ok("purge", "--older-than", "0", "--files").out.split() == [done.id]
