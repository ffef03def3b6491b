"""What runs our programs is marked `whole`: `make check` stays quick, and no list of directories can rot."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.preloaded import ENGINE, start
from tests.whole import is_ours

COMMAND = ["sh", "-c", "exit 0", "/somewhere/bin/engine"]
REFUSED = r"test_whole\.py::test_.* runs sh: it needs the mark `whole`"


@pytest.fixture
def program() -> Iterator[None]:
    with pytest.raises(pytest.fail.Exception, match=REFUSED):
        subprocess.run(COMMAND)
    yield
    with pytest.raises(pytest.fail.Exception, match=REFUSED):
        subprocess.run(COMMAND)


def test_a_test_without_the_mark_that_runs_a_program_of_ours_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match=REFUSED):
        subprocess.run(COMMAND)
    subprocess.run(COMMAND[:3], check=True)


def test_so_does_one_that_begins_it_with_its_modules_loaded(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"runs .*/engine: it needs the mark"):
        start([ENGINE, "ls"], cwd=tmp_path, env=dict(os.environ), text=True)


@pytest.mark.usefixtures("program")
def test_so_does_one_whose_fixture_does_it() -> None:
    pass


@pytest.mark.whole
def test_one_with_the_mark_runs_it() -> None:
    subprocess.run(COMMAND, check=True)


@pytest.mark.parametrize(
    "words", [["/x/engine", "ls"], ["nice", "cvmfs-deploy", "sync"], ["python3", "/y/wrapper-1.pyz"]]
)
def test_our_programs_are_known_wherever_they_lie_and_whoever_runs_them(words: list[str]) -> None:
    assert is_ours(words)
    assert not is_ours(["sh", "-c", "engine ls", "engine.yaml"])
