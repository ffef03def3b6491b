"""Ctrl-C in the middle of a transaction, at each step of it."""

from __future__ import annotations

import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import sqlalchemy as sa

from engine import interrupts
from engine.cli import signals
from engine.interrupts import Uninterrupted
from engine.store import lease, schema
from engine.store.database import Database
from engine.store.lease import Lease
from tests.store.samples import NOW

STEPS = ("/contextlib.py", "/store/database.py", "/store/lease.py", "/pool/base.py", "/engine/base.py")
"""The files whose calls and returns are the steps of a transaction; between them SQL is written."""


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Signals are handled as the command line does."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    signals.install_handlers()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class SignalAt:
    """A tracer that sends SIGINT to this process at one step of what it traces."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.sent = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.endswith(STEPS):
            return None
        frame.f_trace_lines = False
        if event in ("call", "return"):
            self._left -= 1
            if self._left == 0:
                self.sent = True
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self


def transaction(db: Database, held: Lease, until: float) -> None:
    with lease.fenced(db, held, until=until) as connection:
        connection.execute(sa.update(schema.lease).values(holder=f"until {until}"))


def test_whoever_handles_an_interrupt_can_write_at_once_and_the_transaction_is_whole(tmp_path: Path) -> None:
    """Python raises it between two instructions, also between a transaction and the `with` that ends it."""
    path = tmp_path / "engine.db"
    db, step, raised = Database(f"sqlite:///{path}"), 0, 0
    held = lease.acquire(db, "me", now=NOW, seconds=30)
    assert held
    transaction(db, held, NOW)
    others = sqlite3.connect(path, timeout=0, isolation_level=None)
    outer = sys.gettrace()
    while True:
        step += 1
        signals.listen_again()
        sys.settrace(at := SignalAt(step))
        try:
            transaction(db, held, float(step))
        except KeyboardInterrupt:
            raised += 1
            others.execute("BEGIN IMMEDIATE")  # not one of its own process's, which might know better
            others.execute("ROLLBACK")
        finally:
            sys.settrace(outer)
        if not at.sent:
            break
        ((holder, until),) = others.execute("SELECT holder, until FROM lease")
        assert holder == f"until {until}" or (step == 1 and holder == f"until {NOW}")
    others.close()
    db.close()
    assert step > 100
    assert raised == step - 1  # none is lost


def test_an_interrupt_comes_at_the_end_of_what_is_not_to_be_interrupted() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):
        with Uninterrupted(), Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)  # sent twice at one moment, and heard once
            done.append("whole")
        done.append("after it")
    signals.listen_again()
    with Uninterrupted():
        pass
    assert done == ["whole"]


def test_a_further_signal_interrupts_a_transaction_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "IMPATIENT_S", 0)
    done = []
    with Uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("held back")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert done == ["held back"]
