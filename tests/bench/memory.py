"""The engine's own memory with a thousand and with a hundred thousand jobs in its queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.figures import row
from tests.bench.place import ENGINE, Place, place, tool

SMALL, LARGE = 1_000, 100_000
WATCH = 8.0


def main() -> None:
    """Print the difference of the peaks."""
    peaks = {count: _peak(count) for count in (SMALL, LARGE)}
    grown = (peaks[LARGE] - peaks[SMALL]) / 1e6
    what = (
        f"peak with {SMALL} queued jobs {peaks[SMALL] / 1e6:.0f} MB, with {LARGE} {peaks[LARGE] / 1e6:.0f} MB"
    )
    row(what, f"{grown:+.1f} MB", "<= 20", grown <= 20)


def _peak(count: int) -> int:
    """Bytes that the engine needed at most to plan `count` jobs and to run the first of them for a while."""
    with place(slots=2) as here:
        descriptor = here.write("tool.json", tool("true [N]"))
        jobs = here.write("jobs.jsonl", [{"n": n} for n in range(count)])
        words = ["submit", str(descriptor), str(jobs), "--runtime", "none"]
        process = subprocess.Popen(
            [ENGINE, *words],
            cwd=here.directory,
            env=here.environment,
            stderr=subprocess.DEVNULL,
            stdout=sys.stderr,
        )
        try:
            _wait_until_running(here, process)
            deadline, peak = time.monotonic() + WATCH, 0
            while time.monotonic() < deadline and process.poll() is None:
                peak = max(peak, _high_water(process.pid))
                time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        return peak


def _wait_until_running(here: Place, process: subprocess.Popen[bytes]) -> None:
    finished = here.directory / "state/boutiques-engine/local/finished"
    while process.poll() is None and not (finished.is_dir() and os.listdir(finished)):
        time.sleep(0.02)


def _high_water(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


if __name__ == "__main__":
    main()
