"""A submit in the foreground: Ctrl-C, a lost terminal, several at once, and an engine that is killed."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import Desk, Ran, ended, until

pytestmark = pytest.mark.whole

BARE = ("--runtime", "none")
UNFINISHED = ("queued", "running")
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def waiting_tool(desk: Desk) -> str:
    """A tool that notes its process and then waits; with text `quick` it ends at once."""
    pids = desk.directory / "pids"
    return desk.tool(
        f"echo $$ >> '{pids}'; [ [TEXT]x = quickx ] || sleep 600; echo done > o", outputs={"o": "o"}
    )


def pids(desk: Desk, count: int = 1) -> list[int]:
    """The processes of the tools, once so many have started."""
    file = desk.directory / "pids"

    def noted() -> list[int]:
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    until(lambda: len(noted()) >= count)
    return noted()


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def newest(desk: Desk) -> Any:
    """The newest execution, as `engine status` tells it."""
    return desk.ok("status", "--json").value


def begin(desk: Desk, *words: str, **options: Any) -> subprocess.Popen[str]:
    """A submit of the waiting tool, once it runs."""
    started = desk.start("submit", waiting_tool(desk), desk.write("i.json", {}), *BARE, *words, **options)
    pids(desk)
    return started


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_without_a_terminal_cancels_cleanly(desk: Desk, number: signal.Signals) -> None:
    submit = begin(desk)
    submit.send_signal(number)
    ran = ended(submit)
    assert ran.code == 130
    assert "Traceback" not in ran.err
    assert "engine: cancelled: 1 cancelled" in ran.err
    assert newest(desk)["state"] == "cancelled"
    assert not any(runs(pid) for pid in pids(desk))
    until(lambda: not list(desk.spool.glob("jobs/*")))


def test_a_signal_that_comes_twice_at_once_cancels_as_cleanly(desk: Desk) -> None:
    submit = begin(desk)
    submit.send_signal(signal.SIGINT)
    submit.send_signal(signal.SIGTERM)
    assert ended(submit).code == 130
    until(lambda: newest(desk)["state"] == "cancelled")  # by itself, or by the engine it left behind
    assert not any(runs(pid) for pid in pids(desk))


def test_a_second_signal_leaves_the_end_to_a_background_engine(desk: Desk) -> None:
    tool = desk.tool(f"trap '' TERM; echo $$ >> '{desk.directory / 'pids'}'; while :; do sleep 1; done")
    submit = desk.start("submit", tool, desk.write("i.json", {}), *BARE)
    (pid,) = pids(desk)
    submit.send_signal(signal.SIGINT)
    assert submit.stderr is not None
    while "cancelling" not in (line := submit.stderr.readline()):
        assert line
    submit.send_signal(signal.SIGINT)
    ran = ended(submit)
    assert ran.code == 130
    assert runs(pid)  # it is deaf to SIGTERM: its end takes some seconds
    assert "ended in the background" in ran.err
    until(lambda: not runs(pid))
    until(lambda: newest(desk)["state"] == "cancelled")


def test_nothing_is_left_of_a_submit_that_is_interrupted_while_it_reads(desk: Desk) -> None:
    tool = waiting_tool(desk)
    os.mkfifo(desk.directory / "many.jsonl")
    submit = desk.start("submit", tool, "many.jsonl", *BARE)
    with (desk.directory / "many.jsonl").open("w") as lines:
        lines.write('{"text": "quick"}\n' * 3000)
        lines.flush()
        until(lambda: desk.rows("job"))
        submit.send_signal(signal.SIGTERM)
        ran = ended(submit)
    assert (ran.code, ran.err) == (130, "engine: interrupted\n")
    assert desk.debris() == []


def test_an_interrupted_sweep_keeps_what_was_finished(desk: Desk) -> None:
    lines = desk.lines("two.jsonl", [{"text": "quick"}, {"text": "slow"}])
    submit = desk.start("submit", waiting_tool(desk), lines, *BARE)
    pids(desk, 2)
    until(lambda: newest(desk)["tally"].get("succeeded"))
    submit.send_signal(signal.SIGINT)
    ran = ended(submit)
    assert ran.code == 130
    assert newest(desk)["tally"] == {"succeeded": 1, "cancelled": 1}
    assert (desk.directory / ran.out.strip() / "outputs/1/o").read_text() == "done\n"


def test_ctrl_c_ends_its_own_execution_and_no_other(desk: Desk) -> None:
    tool, i = waiting_tool(desk), desk.write("i.json", {})
    first = desk.start("submit", tool, i, *BARE)
    pids(desk, 1)
    second = desk.start("submit", tool, i, *BARE)
    mine, other = pids(desk, 2)
    first.send_signal(signal.SIGINT)
    assert ended(first).code == 130
    assert not runs(mine)
    assert runs(other)
    until(lambda: newest(desk)["state"] == "running")
    second.send_signal(signal.SIGINT)
    assert ended(second).code == 130
    assert not runs(other)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_second_submit_takes_over_when_the_first_ends(desk: Desk, number: signal.Signals) -> None:
    tool = waiting_tool(desk)
    first = desk.start("submit", tool, desk.write("i.json", {}), *BARE)
    (pid,) = pids(desk, 1)
    quick = desk.lines("quick.jsonl", [{"text": "quick"}] * 3)
    second = desk.start("submit", tool, quick, *BARE)
    until(lambda: desk.rows("execution") == 2)
    first.send_signal(number)
    first.communicate()
    assert ended(second).code == 0
    if number == signal.SIGKILL:  # its job lives: whoever reconciles next knows of it
        assert runs(pid)
        (alone,) = [e["id"] for e in desk.ok("list", "--json").values if e["state"] in UNFINISHED]
        desk.ok("cancel", alone)
    assert not runs(pid)


def test_slots_count_for_the_machine_and_not_for_each_submit(desk: Desk) -> None:
    marks = desk.directory / "marks"
    marks.mkdir()
    tool = desk.tool(f"touch '{marks}'/$$; ls '{marks}' | wc -l; sleep 0.2; rm '{marks}'/$$")
    lines = desk.lines("four.jsonl", [{}] * 4)
    both = [
        desk.start("submit", tool, lines, *BARE, variables={"ENGINE_BACKENDS__LOCAL__SLOTS": "2"})
        for _ in "ab"
    ]
    assert [ended(one).code for one in both] == [0, 0]
    seen = [int(log.read_text()) for log in desk.directory.glob("results/*/logs/*.out")]
    assert len(seen) == 8
    assert max(seen) <= 2


def test_a_detached_submit_is_finished_by_a_background_engine(desk: Desk) -> None:
    gate = desk.directory / "gate"
    tool = desk.tool(f"until test -e {gate}; do sleep 0.05; done; echo done > o", outputs={"o": "o"})
    ran = desk.ok("submit", tool, desk.write("i.json", {}), *BARE, "--detach")
    id_ = ran.out.strip()
    assert desk.ok("status", id_, "--json").value["state"] in UNFINISHED
    gate.touch()
    told = desk.ok("status", "--watch", id_, "--json").values
    assert told[-1]["state"] == "succeeded"
    assert (desk.directory / f"results/{id_}/outputs/o").read_text() == "done\n"


def test_a_daemon_that_is_told_to_stop_leaves_the_jobs_running(desk: Desk) -> None:
    daemon = desk.start("serve")
    ran = desk.ok("submit", waiting_tool(desk), desk.write("i.json", {}), *BARE, "--detach")
    (pid,) = pids(desk)
    daemon.terminate()
    assert ended(daemon).code == 0
    assert runs(pid)
    desk.ok("cancel", ran.out.strip())
    assert not runs(pid)


def test_a_job_that_is_cancelled_without_waiting_is_ended_all_the_same(desk: Desk) -> None:
    submit = begin(desk)
    submit.kill()
    submit.communicate()
    (pid,) = pids(desk)
    desk.ok("cancel", "--no-wait")
    until(lambda: not runs(pid))
    until(lambda: newest(desk)["state"] == "cancelled")


def test_a_submit_to_a_back_end_that_is_paused_says_so_and_goes_on_with_it(desk: Desk) -> None:
    desk.ok("pause", "--backend", "local")
    tool = desk.tool("echo done > o", outputs={"o": "o"})
    submit = desk.start("submit", tool, desk.write("i.json", {}), *BARE)
    assert submit.stderr is not None
    assert any("engine: back-end local is paused since" in line for line in submit.stderr)
    desk.ok("resume", "--backend", "local")
    ran = ended(submit)
    assert ran.code == 0
    assert "engine: it goes on\n" in ran.err


def test_no_engine_stays_in_the_background_for_what_is_paused(desk: Desk) -> None:
    desk.ok("pause", "--backend", "local")
    tool = desk.tool("echo done > o", outputs={"o": "o"})
    desk.ok("submit", tool, desk.write("i.json", {}), *BARE, "--detach")
    desk.ok("serve", "--until-idle", "--no-http")
    assert newest(desk)["tally"] == {"queued": 1}
    desk.ok("resume", "--backend", "local")
    desk.ok("serve", "--until-idle", "--no-http")
    until(lambda: newest(desk)["tally"] == {"succeeded": 1})


# --- with a terminal


class Terminal:
    """A terminal with a command in its foreground."""

    def __init__(self, desk: Desk, words: Sequence[str]) -> None:
        self.text = ""
        self._master, slave = pty.openpty()
        self.process = desk.start(
            *words, stdin=slave, stdout=slave, stderr=slave, preexec_fn=lambda: _control(slave)
        )
        os.close(slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, words: str) -> None:
        """Read until these words were shown."""
        while words not in self.text:
            self.text += self._read()

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            os.close(self._master)

    def end(self) -> Ran:
        """Read to the end."""
        while True:
            try:
                self.text += self._read()
            except (EOFError, OSError):
                break
        return Ran(self.process.wait(), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.text), "")

    def _read(self) -> str:
        data = os.read(self._master, 65536)
        if not data:
            raise EOFError
        return data.decode(errors="replace")


def _control(slave: int) -> None:
    os.setsid()
    import fcntl
    import termios

    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


@contextmanager
def terminal(desk: Desk, *words: str) -> Iterator[Terminal]:
    shown = Terminal(desk, words)
    try:
        yield shown
    finally:
        shown.close()
        with suppress(ProcessLookupError):
            shown.process.kill()
        shown.process.wait()


def test_on_a_terminal_ctrl_c_asks_and_c_cancels(desk: Desk) -> None:
    with terminal(desk, "submit", waiting_tool(desk), desk.write("i.json", {}), *BARE) as shown:
        (pid,) = pids(desk)
        shown.type("\x03")
        shown.wait_for("[g]o on? ")
        shown.type("what\n")  # no answer: it asks again
        shown.wait_for("what")
        shown.type("c\n")
        ran = shown.end()
    assert ran.code == 130
    assert "1 of 1 jobs are not finished" in ran.out
    assert ran.out.count("[g]o on? ") == 2
    assert not runs(pid)
    assert newest(desk)["state"] == "cancelled"


def test_on_a_terminal_g_goes_on(desk: Desk) -> None:
    go = desk.directory / "go"
    tool = desk.tool(f"echo $$ >> pids; while [ ! -e '{go}' ]; do sleep 0.05; done; echo done")
    with terminal(desk, "submit", tool, desk.write("i.json", {}), *BARE) as shown:
        until(lambda: list(desk.spool.glob("jobs/*/started")))
        shown.type("\x03")
        shown.wait_for("[g]o on? ")
        shown.type("g\n")
        go.touch()
        ran = shown.end()
    assert ran.code == 0
    assert newest(desk)["state"] == "succeeded"


def test_on_a_terminal_d_detaches_and_a_background_engine_finishes(desk: Desk) -> None:
    go = desk.directory / "go"
    tool = desk.tool(f"while [ ! -e '{go}' ]; do sleep 0.05; done; echo done > o", outputs={"o": "o"})
    with terminal(desk, "submit", tool, desk.write("i.json", {}), *BARE) as shown:
        until(lambda: list(desk.spool.glob("jobs/*/started")))
        shown.type("\x03")
        shown.wait_for("[g]o on? ")
        shown.type("d\n")
        ran = shown.end()
    assert ran.code == 0
    assert "it goes on in the background; engine status --watch" in ran.out
    go.touch()
    assert desk.ok("status", "--watch", "--json").values[-1]["state"] == "succeeded"
    assert len(list(desk.directory.glob("results/*/outputs/o"))) == 1


def test_ctrl_c_at_the_question_cancels(desk: Desk) -> None:
    with terminal(desk, "submit", waiting_tool(desk), desk.write("i.json", {}), *BARE) as shown:
        (pid,) = pids(desk)
        shown.type("\x03")
        shown.wait_for("[g]o on? ")
        shown.type("\x03")
        assert shown.end().code == 130
    assert not runs(pid)


def test_a_terminal_that_is_closed_ends_its_execution(desk: Desk) -> None:
    with terminal(desk, "submit", waiting_tool(desk), desk.write("i.json", {}), *BARE) as shown:
        (pid,) = pids(desk)
        shown.close()
        assert shown.process.wait() == 130
    assert not runs(pid)
    assert newest(desk)["state"] == "cancelled"


def test_what_nohup_started_outlives_its_terminal(desk: Desk) -> None:
    submit = begin(desk, before=["nohup"])
    submit.send_signal(signal.SIGHUP)
    time.sleep(0.2)  # nothing is to happen: there is nothing to wait for
    assert submit.poll() is None
    submit.send_signal(signal.SIGTERM)
    assert ended(submit).code == 130


def test_progress_is_shown_on_a_terminal(desk: Desk) -> None:
    lines = desk.lines("three.jsonl", [{"text": "quick"}] * 3)
    with terminal(desk, "submit", waiting_tool(desk), lines, *BARE) as shown:
        ran = shown.end()
    assert ran.code == 0
    assert "3/3" in ran.out
    assert "3 succeeded" in ran.out
