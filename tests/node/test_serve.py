"""The serving wrapper: every submission once, in order, within the slots, whatever dies and whenever."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import Site, outputs
from tests.node.test_process import PATIENCE, alive
from wrappers import wire
from wrappers.serve.queue import Queue
from wrappers.serve.spool import Process, Spool

pytestmark = pytest.mark.whole


class Engine:
    """What an engine does with a spool."""

    def __init__(self, site: Site, slots: int = 2, idle: float = 20.0) -> None:
        self.site = site
        self.spool = Spool(str(site.root / "spool"))
        self.spool.make()
        self.servers: list[subprocess.Popen[bytes]] = []
        self.configure(slots=slots, idle=idle)

    def configure(self, **given: Any) -> None:
        node = self.site.node = self.site.node._replace(**given)
        temporary = Path(self.spool.root, ".node")
        temporary.write_text(wire.dumps(node))
        temporary.rename(self.spool.node)

    def start_server(self, ready: bool = True) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", str(self.site.wrapper), "serve", self.spool.root]
        server = subprocess.Popen(command, start_new_session=True, env=self.site.environment)
        self.servers.append(server)
        if ready:
            self.until(lambda: self.server_pid() == server.pid)
        return server

    def server_pid(self) -> int | None:
        with suppress(FileNotFoundError):
            pid: int = json.loads(Path(self.spool.server).read_text())["pid"]
            return pid
        return None

    def submit(self, key: str, *manifests: wire.Manifest) -> None:
        part = Path(self.spool.jobs, f".{key}")
        part.mkdir()
        (part / "manifests.jsonl").write_text("".join(wire.dumps(m) + "\n" for m in manifests))
        part.rename(self.job(key))

    def job(self, key: str) -> Path:
        return Path(self.spool.directory(key))

    def wake(self) -> bool:
        """Whether somebody listens."""
        try:
            fifo = os.open(self.spool.wake, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        with suppress(BlockingIOError):
            os.write(fifo, b".")
        os.close(fifo)
        return True

    def cancel(self, key: str) -> None:
        (self.job(key) / "cancel").touch()
        self.wake()

    def finished(self) -> set[str]:
        return set(os.listdir(self.spool.finished))

    def report(self, key: str, attempt: str = "") -> wire.Report:
        return wire.loads(wire.Report, (self.job(key) / f"{attempt or key}.report.json").read_bytes())

    def until(self, happens: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not happens():
            assert time.monotonic() < deadline, Path(self.spool.log).read_text()
            time.sleep(0.01)

    def until_finished(self, *keys: str) -> None:
        self.until(lambda: self.finished() >= set(keys))

    def until_gone(self, process: Process) -> None:
        self.until(lambda: not process.alive())

    def end(self) -> None:
        """End whatever still runs for this spool."""
        for server in self.servers:
            server.kill()
            server.wait()
        for key in self.spool.submissions():
            process = self.spool.claimed_by(key)
            if process is not None and process.alive():
                os.kill(process.pid, signal.SIGTERM)
                self.until_gone(process)


@pytest.fixture
def engine(site: Site) -> Iterator[Engine]:
    engine = Engine(site)
    yield engine
    engine.end()


def job(engine: Engine, key: str, command: str, **given: Any) -> None:
    """Submit one attempt that has the name of its submission."""
    engine.submit(key, engine.site.manifest(command, attempt=key, **given))


def test_a_submission_is_carried_out_and_announced(engine: Engine) -> None:
    engine.start_server()
    job(engine, "k1", "echo hello > out", outputs=outputs(o="out"))
    assert engine.wake()
    engine.until_finished("k1")
    assert engine.report("k1").outcome == wire.SUCCEEDED
    assert (engine.site.results / "k1" / "out").read_text() == "hello\n"
    names = sorted(path.name for path in engine.job("k1").iterdir())
    assert names == ["finished", "k1.err", "k1.out", "k1.report.json", "manifests.jsonl", "started"]
    assert set(json.loads((engine.job("k1") / "started").read_text())) == {"pid", "start", "boot"}


def test_what_was_submitted_before_the_server_started_is_carried_out_in_order(engine: Engine) -> None:
    order = engine.site.root / "order"
    engine.configure(slots=1)
    for number in random.Random(1).sample(range(30), 30):
        job(engine, f"k{number:02}", f"echo {number} >> '{order}'")
    engine.start_server()
    engine.until(lambda: len(engine.finished()) == 30)
    assert order.read_text().split() == [str(number) for number in range(30)]


def test_attempts_of_one_submission_run_one_after_the_other(engine: Engine) -> None:
    manifests = [engine.site.manifest(f"exit {number}", attempt=f"a{number}") for number in range(3)]
    engine.submit("k", *manifests)
    engine.start_server()
    engine.until_finished("k")
    assert [engine.report("k", f"a{number}").exit_code for number in range(3)] == [0, 1, 2]


def test_a_submission_that_is_not_yet_whole_is_left_alone(engine: Engine) -> None:
    Path(engine.spool.jobs, ".half").mkdir()
    job(engine, "whole", "true")
    engine.start_server()
    engine.until_finished("whole")
    assert os.listdir(Path(engine.spool.jobs, ".half")) == []


@pytest.mark.parametrize(("slots", "cores", "together"), [(3, 1, 3), (4, 2, 2), (2, 8, 1)])
def test_slots_bound_how_many_cores_are_used_at_a_time(
    engine: Engine, slots: int, cores: int, together: int
) -> None:
    engine.configure(slots=slots)
    marks = engine.site.root / "marks"
    marks.mkdir()
    text = f"touch '{marks}'/$$; ls '{marks}' | wc -l; sleep 0.15; rm '{marks}'/$$"
    keys = [f"k{number}" for number in range(8)]
    for key in keys:
        job(engine, key, text, limits=wire.Limits(cores=cores))
    engine.start_server()
    engine.until_finished(*keys)
    seen = [int((engine.job(key) / f"{key}.out").read_text()) for key in keys]
    assert max(seen) == together


def test_a_wide_submission_is_not_overtaken_for_ever(engine: Engine) -> None:
    order = engine.site.root / "order"
    job(engine, "a", f"sleep 0.5; echo a >> '{order}'")
    job(engine, "b", f"echo b >> '{order}'", limits=wire.Limits(cores=2))
    job(engine, "c", f"echo c >> '{order}'")
    engine.start_server()
    engine.until_finished("a", "b", "c")
    assert order.read_text().split() == ["a", "b", "c"]


def test_the_number_of_slots_can_change_while_serving(engine: Engine) -> None:
    engine.configure(slots=0)
    engine.start_server()
    job(engine, "k", "true")
    engine.wake()
    time.sleep(0.3)
    assert not engine.finished()
    engine.configure(slots=1)
    engine.wake()
    engine.until_finished("k")


def test_a_second_server_of_a_spool_gives_way(engine: Engine) -> None:
    first = engine.start_server()
    second = engine.start_server(ready=False)
    assert second.wait(PATIENCE) == 0
    assert first.poll() is None
    assert engine.server_pid() == first.pid


def test_a_waiting_submission_can_be_cancelled(engine: Engine) -> None:
    engine.configure(slots=1)
    gate = engine.site.root / "gate"
    os.mkfifo(gate)
    job(engine, "a", f"read line < '{gate}'")
    engine.submit("b", *(engine.site.manifest("touch /never", attempt=f"b{n}") for n in range(2)))
    engine.start_server()
    engine.cancel("b")
    engine.until_finished("b")
    assert [engine.report("b", f"b{n}").failure for n in range(2)] == [wire.CANCELLED] * 2
    assert "a" not in engine.finished()
    gate.write_text("go\n")
    engine.until_finished("a")


def test_a_running_submission_can_be_cancelled(engine: Engine) -> None:
    pids = engine.site.root / "pids"
    engine.submit(
        "k",
        engine.site.manifest("true", attempt="k0"),
        engine.site.manifest(f"echo $$ > '{pids}'; sleep 600", attempt="k1"),
        engine.site.manifest("true", attempt="k2"),
    )
    engine.start_server()
    engine.until(lambda: pids.exists() and pids.read_text())
    engine.cancel("k")
    engine.until_finished("k")
    failures = [engine.report("k", f"k{number}").failure for number in range(3)]
    assert failures == ["", wire.CANCELLED, wire.CANCELLED]
    assert not alive(int(pids.read_text()))
    job(engine, "next", "true")
    engine.wake()
    engine.until_finished("next")
    assert engine.report("next").outcome == wire.SUCCEEDED


def test_a_killed_process_is_not_finished_leaves_nothing_running_and_is_not_run_again(engine: Engine) -> None:
    pids = engine.site.root / "pids"
    job(engine, "k", f"sleep 600 & echo $! $$ > '{pids}'; sleep 600")
    engine.start_server()
    engine.until(lambda: pids.exists() and pids.read_text())
    process = engine.spool.claimed_by("k")
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    engine.until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))
    engine.until(lambda: not (engine.job("k") / "k").exists())
    job(engine, "next", "true")
    engine.wake()
    engine.until_finished("next")
    assert not (engine.job("k") / "finished").exists()
    assert not (engine.job("k") / "k.report.json").exists()


def test_a_tool_whose_wrapper_and_server_were_both_killed_is_ended_by_the_next(engine: Engine) -> None:
    pids = engine.site.root / "pids"
    job(engine, "k", f"sleep 600 & echo $! $$ > '{pids}'; sleep 600")
    server = engine.start_server()
    engine.until(lambda: pids.exists() and pids.read_text())
    process = engine.spool.claimed_by("k")
    assert process is not None
    server.kill()
    os.kill(process.pid, signal.SIGKILL)
    server.wait()
    engine.start_server()
    engine.until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))
    engine.until(lambda: not (engine.job("k") / "k").exists())


@pytest.mark.long  # 15 s: the patience of the server
def test_a_process_that_does_not_hear_is_killed_and_reported_as_cancelled(engine: Engine) -> None:
    pids = engine.site.root / "pids"
    job(engine, "k", f"echo $$ > '{pids}'; sleep 600")
    engine.start_server()
    engine.until(lambda: pids.exists() and pids.read_text())
    process = engine.spool.claimed_by("k")
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    engine.cancel("k")
    engine.until_finished("k")
    assert engine.report("k").failure == wire.CANCELLED
    assert not alive(int(pids.read_text()))
    assert not (engine.job("k") / "k").exists()


def test_manifests_that_cannot_be_read_stop_nobody(engine: Engine) -> None:
    part = Path(engine.spool.jobs, "bad")
    part.mkdir()
    (part / "manifests.jsonl").write_text("nonsense\n")
    job(engine, "good", "true")
    engine.start_server()
    engine.until_finished("good", "bad")
    assert "bad" in Path(engine.spool.log).read_text()


def test_what_runs_goes_on_when_the_server_dies_and_counts_for_the_next(engine: Engine) -> None:
    engine.configure(slots=1)
    gate, counter = engine.site.root / "gate", engine.site.root / "counter"
    os.mkfifo(gate)
    job(engine, "a", f"echo a >> '{counter}'; read line < '{gate}'; exit 7")
    job(engine, "b", f"echo b >> '{counter}'")
    first = engine.start_server()
    engine.until(counter.exists)
    first.kill()
    first.wait()
    engine.start_server()
    time.sleep(0.3)
    assert counter.read_text() == "a\n"
    gate.write_text("go\n")
    engine.until_finished("a", "b")
    assert engine.report("a").exit_code == 7
    assert counter.read_text() == "a\nb\n"


def test_what_a_dead_server_left_running_can_be_cancelled(engine: Engine) -> None:
    pids = engine.site.root / "pids"
    job(engine, "k", f"echo $$ > '{pids}'; sleep 600")
    first = engine.start_server()
    engine.until(lambda: pids.exists() and pids.read_text())
    first.kill()
    first.wait()
    (engine.job("k") / "cancel").touch()
    engine.start_server()
    engine.until_finished("k")
    assert engine.report("k").failure == wire.CANCELLED
    assert not alive(int(pids.read_text()))


def test_an_announcement_that_was_cut_off_is_made_up_for(engine: Engine) -> None:
    job(engine, "k", "true")
    first = engine.start_server()
    engine.until_finished("k")
    first.kill()
    first.wait()
    Path(engine.spool.finished, "k").unlink()
    engine.start_server()
    engine.until_finished("k")


def test_the_server_is_told_to_end_and_what_runs_goes_on(engine: Engine) -> None:
    gate = engine.site.root / "gate"
    os.mkfifo(gate)
    job(engine, "k", f"touch begun; read line < '{gate}'")
    server = engine.start_server()
    engine.until(lambda: (engine.job("k") / "started").exists())
    server.terminate()
    assert server.wait(PATIENCE) == 0
    assert engine.server_pid() is None
    gate.write_text("go\n")
    engine.until_finished("k")
    assert engine.report("k").outcome == wire.SUCCEEDED


def test_an_idle_server_ends_and_says_so(engine: Engine) -> None:
    engine.configure(idle=0.2)
    job(engine, "k", "true")
    server = engine.start_server()
    assert server.wait(PATIENCE) == 0
    assert engine.finished() == {"k"}
    assert engine.server_pid() is None
    assert not engine.wake()


def test_no_wake_is_lost_while_servers_end(engine: Engine) -> None:
    """Submissions arrive just when an idle server is ending; whoever finds nobody starts a server."""
    engine.configure(idle=0.0)
    chance = random.Random(7)
    for number in range(60):
        key = f"k{number:03}"
        job(engine, key, "true")
        if not engine.wake():
            engine.start_server(ready=False)
        if number % 3 == 0:
            engine.until_finished(key)
        time.sleep(chance.uniform(0, 0.02))
    engine.until(lambda: len(engine.finished()) == 60)
    for server in engine.servers:
        assert server.wait(PATIENCE) == 0


def test_killing_servers_at_random_moments_loses_nothing_and_repeats_nothing(engine: Engine) -> None:
    counter = engine.site.root / "counter"
    chance = random.Random(11)
    keys = [f"k{number:04}" for number in range(300)]
    for key in keys[:150]:
        job(engine, key, f"echo {key} >> '{counter}'", outputs=[])
    kills = 0
    late = iter(keys[150:])
    while len(engine.finished()) < len(keys):
        server = engine.start_server(ready=False)
        time.sleep(chance.uniform(0.05, 0.45))
        for key in [key for _, key in zip(range(20), late, strict=False)]:
            job(engine, key, f"echo {key} >> '{counter}'")
        engine.wake()
        if kills < 25:
            time.sleep(chance.uniform(0, 0.05))
            server.kill()
            server.wait()
            kills += 1
            continue
        engine.until(lambda: len(engine.finished()) == len(keys))
    assert sorted(counter.read_text().split()) == keys
    assert {engine.report(key).outcome for key in keys} == {wire.SUCCEEDED}


class CountingSpool(Spool):
    """A spool that knows how often it was listed."""

    listings = 0

    def submissions(self) -> list[str]:
        self.listings += 1
        return super().submissions()


def test_a_long_queue_is_not_listed_for_every_wake(tmp_path: Path) -> None:
    spool = CountingSpool(str(tmp_path))
    spool.make()
    for number in range(20_000):
        Path(spool.jobs, f"k{number:05}").mkdir()
    queue = Queue(spool)
    for _ in range(100):
        queue.wake()
        queue.look()
        queue.pop()
    assert spool.listings <= 3
    assert queue.first() == "k00100"
