"""The figures of the last runs, in a file for people: `.cache/bench/figures.md`, made from `figures.jsonl`.

Where it was measured and beside what is part of a figure: each run has the machine's name, its cores, and the
load when a benchmark began.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHOWN = 5
"""Runs of each benchmark that are kept and shown."""


@dataclass(frozen=True)
class Run:
    """One run of one benchmark."""

    bench: str
    at: str
    commit: str
    machine: str
    load: float
    """Processes that wanted a core in the minute before."""
    rows: Sequence[tuple[str, str, str, bool]]
    """What, figure, what was wanted, and whether it was met."""

    @property
    def heading(self) -> str:
        return f"{self.at[:16].replace('T', ' ')} {self.commit}, {self.machine}, load {self.load:.1f}"


_rows: list[tuple[str, str, str, bool]] = []


def row(what: str, figure: str, wanted: str = "", good: bool = True) -> None:
    """Print one line of the table, and note it for the file. `wanted`: "" is no goal."""
    verdict = ("ok  " if good else "MISS") if wanted else "    "
    print(f"{verdict}  {what:62} {figure:>22}{f'   wanted {wanted}' if wanted else ''}", flush=True)
    _rows.append((what, figure, wanted, good))


def begin(bench: str) -> Run:
    """Begin a run: `row` notes what is measured from now on."""
    _rows.clear()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    machine = f"{platform.node()} ({os.cpu_count()} cores)"
    return Run(
        bench, datetime.now(UTC).isoformat(timespec="seconds"), commit, machine, os.getloadavg()[0], ()
    )


def end(run: Run, directory: Path) -> None:
    """Write what was measured since the run began, beside the runs before."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "figures.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    lines.append(json.dumps(asdict(run) | {"rows": list(_rows)}))
    runs = latest([Run(**json.loads(line)) for line in lines])
    file.write_text("".join(json.dumps(asdict(one)) + "\n" for one in runs))
    (directory / "figures.md").write_text(page(runs))


def latest(runs: Sequence[Run]) -> list[Run]:
    """The last runs of each benchmark, in the order in which they were."""
    kept = [one for n, one in enumerate(runs) if sum(o.bench == one.bench for o in runs[n + 1 :]) < SHOWN]
    return sorted(kept, key=lambda one: (one.bench, one.at))


def page(runs: Sequence[Run]) -> str:
    """A table for each benchmark: a line for each thing measured, a column for each run."""
    parts = ["# Figures of the benchmarks\n", "Made by `make bench`; `!` marks what misses its goal.\n"]
    for bench in dict.fromkeys(one.bench for one in runs):
        columns = [one for one in runs if one.bench == bench]
        names = dict.fromkeys(what for one in columns for what, *_ in one.rows)
        parts.append(f"## {bench}\n")
        parts.append("| what | " + " | ".join(one.heading for one in columns) + " | wanted |")
        parts.append("|---" * (len(columns) + 2) + "|")
        for name in names:
            found = [next((row for row in one.rows if row[0] == name), None) for one in columns]
            cells = [f"{row[1]}{'' if row[3] else ' !'}" if row else "" for row in found]
            wanted = next(row[2] for row in reversed(found) if row)
            parts.append(f"| {name} | " + " | ".join(cells) + f" | {wanted} |")
        parts.append("")
    return "\n".join(parts)
