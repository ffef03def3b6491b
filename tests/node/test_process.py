"""Nobody outlives its attempt: limits, the wish to stop, daemons, and memory counted as people mean it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.node.conftest import Site, outputs, small_disk
from wrappers import wire

pytestmark = pytest.mark.whole

MEBIBYTE = 1 << 20
PATIENCE = 30.0  # seconds that a test waits for what must happen


def wait_for(path: Path) -> str:
    """The text of a file that a tool is about to write."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def python_tool(site: Site, text: str) -> str:
    """A command that runs this Python text."""
    script = site.root / "tool.py"
    script.write_text(text)
    return f"exec '{sys.executable}' -I -S '{script}'"


def test_a_tool_is_ended_at_its_wall_time(site: Site) -> None:
    report = site.one("echo before; sleep 600; echo after", limits=wire.Limits(wall=0.5))
    assert (report.failure, report.signal) == (wire.LIMIT, int(signal.SIGTERM))
    assert "wall time of 0.5 s" in report.message
    assert site.log(report) == "before\n"


def test_a_tool_that_ignores_sigterm_is_killed(site: Site) -> None:
    report = site.one("trap '' TERM; while true; do sleep 0.1; done", limits=wire.Limits(wall=0.3))
    assert (report.failure, report.signal) == (wire.LIMIT, int(signal.SIGKILL))


def test_a_stopped_tool_is_ended_too(site: Site) -> None:
    report = site.one("kill -STOP $$", limits=wire.Limits(wall=0.3))
    assert (report.failure, report.signal) == (wire.LIMIT, int(signal.SIGTERM))


def test_daemons_in_sessions_of_their_own_do_not_outlive_the_tool(site: Site) -> None:
    pids = site.root / "pids"
    report = site.one(
        f"(sleep 600 & echo $! >> '{pids}');"
        f' setsid sh -c \'trap "" TERM; echo $$ >> "{pids}"; sleep 600\' &'
        f" while [ $(wc -l < '{pids}') -lt 2 ]; do sleep 0.05; done",
        outputs=[],
    )
    assert report.outcome == wire.SUCCEEDED, report.message
    daemons = [int(pid) for pid in pids.read_text().split()]
    assert len(daemons) == 2
    assert not any(map(alive, daemons))


def test_memory_is_the_sum_over_all_processes(site: Site) -> None:
    hog = "import os, time; os.fork(); block = b'x' * (60 << 20); time.sleep(600)"
    report = site.one(python_tool(site, hog), limits=wire.Limits(memory=100 * MEBIBYTE))
    assert report.failure == wire.LIMIT
    assert "100 MiB are allowed" in report.message
    assert report.peak_memory > 120 * MEBIBYTE


def test_address_space_and_shared_pages_do_not_count_as_memory(site: Site) -> None:
    text = (
        "import mmap, os, time\n"
        "reserved = mmap.mmap(-1, 4 << 30)\n"  # as Java does
        "shared = b'x' * (60 << 20)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0: break\n"
        "time.sleep(1.5)\n"
    )
    report = site.one(python_tool(site, text), limits=wire.Limits(memory=120 * MEBIBYTE))
    assert report.outcome == wire.SUCCEEDED, report.message


def test_cpu_time_and_peak_memory_are_told(site: Site) -> None:
    text = "import time\nblock = b'x' * (80 << 20)\nwhile time.process_time() < 0.3: pass\n"
    report = site.one(python_tool(site, text))
    assert 80 * MEBIBYTE < report.peak_memory < 200 * MEBIBYTE
    assert 0.3 <= report.cpu_seconds < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wish_to_stop_ends_the_tool_and_cancels_the_rest(site: Site, number: signal.Signals) -> None:
    pid_file = site.root / "pid"
    manifests = [
        site.manifest("touch a", outputs=outputs(o="a")),
        site.manifest(f"echo $$ > '{pid_file}'; sleep 600"),
        site.manifest("touch b"),
    ]
    running = site.start(*manifests)
    tool = int(wait_for(pid_file))
    running.send_signal(number)
    assert running.wait(PATIENCE) == 0
    reports = [site.report(manifest) for manifest in manifests]
    assert [report.failure for report in reports] == ["", wire.CANCELLED, wire.CANCELLED]
    assert [report.message for report in reports[1:]] == [
        "cancelled while the tool was running",
        "cancelled before it started",
    ]
    assert not alive(tool)
    assert site.leftovers() == []


def test_a_wish_to_stop_is_heard_while_inputs_are_fetched(site: Site) -> None:
    slow = site.root / "slow"
    slow.mkdir()
    for number in range(200):
        with (slow / f"{number}").open("wb") as file:
            file.truncate(200 << 20)  # sparse: long to read, short to write
    manifest = site.manifest("true", inputs=[wire.Input("in", slow.as_uri(), "slow")])
    running = site.start(manifest)
    job = site.into / manifest.attempt / "job" / "slow"
    deadline = time.monotonic() + PATIENCE
    while not job.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE) == 0
    assert site.report(manifest).failure == wire.CANCELLED
    assert site.leftovers() == []


def test_the_tool_is_offered_to_the_oom_killer_before_the_wrapper(site: Site) -> None:
    report = site.one("sleep 0.2; cat /proc/self/oom_score_adj")
    assert int(site.log(report)) >= 500


def test_the_tool_gets_default_signals_and_only_three_files(site: Site) -> None:
    report = site.one(
        "grep -E '^(SigBlk|SigIgn)' /proc/self/status; ls /proc/$$/fd > fds; tr '\\n' ' ' < fds; umask"
    )
    ignored, *rest = reversed([line.split()[-1] for line in site.log(report).splitlines()[:2]])
    assert [int(ignored, 16) & 0x1FFF, *rest] == [0, "0" * 16]
    assert site.log(report).splitlines()[-1].endswith("0022")
    assert {"0", "1", "2"} <= set(site.log(report).splitlines()[-1].split()[:-1])
    assert not {"3", "4", "5"} & set(site.log(report).splitlines()[-1].split()[:-1])


def test_a_full_disk_is_the_nodes_failure_and_leaves_a_report(site: Site) -> None:
    big = site.root / "big"
    big.write_bytes(os.urandom(3 << 20))
    disk = site.root / "into"
    disk.mkdir()
    manifests = [
        site.manifest("true", inputs=[wire.Input("in", big.as_uri(), "big")]),
        site.manifest("cat /dev/zero > big; exit 3"),
        site.manifest("cat /dev/zero; exit 3"),  # the log fills the disk on which the report must go
        site.manifest("true", limits=wire.Limits(disk=100 << 20)),
        site.manifest("touch a"),
    ]
    keep = f"cp '{disk}'/* '{site.root}/kept/'"
    (site.root / "kept").mkdir()
    command = ["sh", "-c", f'"$@"; {keep}', "sh", *site.command(manifests)]
    done = subprocess.run(
        [*small_disk("2m"), str(disk), *command], capture_output=True, text=True, timeout=60
    )
    if "mount" in done.stderr:
        pytest.skip(f"cannot make a small disk here: {done.stderr}")
    site.root.joinpath("into").rmdir()
    (site.root / "kept").rename(disk)
    reports = [site.report(manifest) for manifest in manifests]
    assert [report.failure for report in reports] == [wire.NODE] * 4 + [""]
    for report in reports[:3]:
        assert "no space left on the disk" in report.message
    assert "the job needs 104857600" in reports[3].message
    assert site.leftovers() == []
