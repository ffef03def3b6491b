"""A thousand trivial jobs on two slots, process start to exit; each leaves report, provenance and events."""

from __future__ import annotations

from tests.bench.figures import row
from tests.bench.place import median, place, tool

JOBS, ROUNDS = 1000, 5
OUTPUT = {"id": "out", "name": "out", "path-template": "out.txt"}


def main() -> None:
    """Print the rate."""
    with place(slots=2) as here:
        descriptor = here.write("tool.json", tool("echo [N] > out.txt", outputs=[OUTPUT]))
        jobs = here.write("jobs.jsonl", [{"n": n} for n in range(JOBS)])
        words = ["submit", str(descriptor), str(jobs), "--runtime", "none"]
        rates = [JOBS / here.engine(*words) for _ in range(ROUNDS)]
        rate = median(rates)
        what = f"{JOBS} trivial jobs, runtime none, 2 slots ({min(rates):.0f} to {max(rates):.0f})"
        row(what, f"{rate:.0f} jobs/s", ">= 150", rate >= 150)


if __name__ == "__main__":
    main()
