"""A holder of the lease that is dead is known to be so; of all others nobody says it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine import holder
from tests.services.unprivileged import Unprivileged

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[2]
NAMED = [sys.executable, "-c", "from engine import holder; print(holder.this_process(), flush=True); input()"]


def test_we_are_not_dead() -> None:
    assert not holder.is_dead(holder.this_process())


def test_two_engines_of_one_process_are_told_apart() -> None:
    assert holder.this_process() != holder.this_process()


def test_a_process_is_dead_once_it_has_ended_even_if_nobody_has_buried_it() -> None:
    with subprocess.Popen(NAMED, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert not holder.is_dead(name)
        other.kill()
        other.stdout.read()  # its end: it is a zombie at most
        while not holder.is_dead(name):  # the suite's own time limit ends a wait that never ends
            pass
    assert holder.is_dead(name)


def test_a_process_of_another_user_is_not_dead(unprivileged: Unprivileged) -> None:
    waiting = unprivileged.command([sys.executable, "-c", "print(1, flush=True); input()"])
    with subprocess.Popen(waiting, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        host, _, start, place, id_ = holder.this_process().split(":")
        assert holder.is_dead(f"{host}:{other.pid}:{start}:{place}:{id_}")  # we may look: another start
        program = f"from engine import holder; print(holder.is_dead({holder.this_process()!r}))"
        asked = [sys.executable, "-c", program]
        told = unprivileged.run(asked, environment={"PYTHONPATH": str(ROOT)})
        assert told.stdout == "False\n"
        other.kill()


@pytest.mark.parametrize("name", ["", "one", "vm:12:34", "vm:1:1:elsewhere:x", "a:b:c:d:e"])
def test_of_a_holder_elsewhere_nobody_can_tell(name: str) -> None:
    assert not holder.is_dead(name)
