"""A hundred thousand jobs planned, checked and stored; the memory of a million, in one streaming pass."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.bench.figures import row
from tests.bench.place import Place, median, place, tool

ROUNDS = 5
_PROGRAM = """
import resource, sys, time
from engine import wiring
from engine.settings.reading import load
from engine.app.requests import SubmitRequest
engine = wiring.build(load())
engine.db, engine.backends
start = time.perf_counter()
view, _ = engine.app.submit(engine.app.plan(SubmitRequest("tool.json", ("jobs.jsonl",), runtimes=("none",))))
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, view.jobs)
"""


def main() -> None:
    """Print both figures."""
    with place(slots=1) as here:
        output = {"id": "out", "name": "out", "path-template": "out.txt"}
        here.write("tool.json", tool("echo [N] > out.txt", outputs=[output]))
        seconds = median([_plan(here, 100_000)[0] for _ in range(ROUNDS)])
        row("100,000 jobs planned, checked and stored", f"{seconds:.1f} s", "<= 6 s", seconds <= 6)
        seconds, peak = _plan(here, 1_000_000)
        what = f"peak memory of 1,000,000 jobs planned in {seconds:.0f} s"
        row(what, f"{peak / 1e6:.0f} MB", "<= 300 MB", peak <= 300e6)


def _plan(here: Place, count: int) -> tuple[float, float]:
    jobs = here.directory / "jobs.jsonl"
    if not jobs.exists() or jobs.stat().st_size < count * 8:
        jobs.write_text("".join(f'{{"n": {n}}}\n' for n in range(count)))
    for left in here.directory.glob("planning.db*"):
        left.unlink()
    database = f"sqlite:///{here.directory}/planning.db"
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=here.directory,
        env={**here.environment, "ENGINE_DATABASE": database, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak, jobs_written = map(float, ran.stdout.split())
    if jobs_written != count:
        raise SystemExit(f"{jobs_written:.0f} jobs were written, not {count}")
    return seconds, peak


if __name__ == "__main__":
    main()
