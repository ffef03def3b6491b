"""`make mutate [AREA=...] [SEED=...]`: put faults into a copy of the code, one at a time, and see whether a
test notices. How to read what it prints: docs/how-to/develop.md.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from tests.mutation.areas import AREAS, LEFT_OUT, Area
from tests.mutation.checkout import Copy
from tests.mutation.operators import Mutant, mutants
from tests.mutation.recording import Recording

SAMPLE = 40
GOAL = 0.85
TESTS_S = 60.0
"""Seconds of tests, by what they took when they were recorded, that are asked about a fault."""
SLOWER = 4.0
"""Times as long as recorded that tests may take, beside the start of pytest."""
START_S = 60.0
EQUIVALENTS = Path(__file__).with_name("equivalents.txt")


def equivalents(text: str) -> set[tuple[str, str, str]]:
    """Faults that change nothing that anybody could notice: path, text and fault of each line of that file;
    its fourth column is the reason.
    """
    rows = [line.split(" | ") for line in text.splitlines() if line and not line.startswith("#")]
    if wrong := [row for row in rows if len(row) != 4 or not row[3].strip()]:
        raise SystemExit(f"{EQUIVALENTS.name}: PATH | TEXT | FAULT | REASON is needed: {wrong[0]}")
    return {(path, before, after) for path, before, after, _ in rows}


def possible(copy: Copy, area: Area) -> list[Mutant]:
    """Every fault that can be put into an area, but for those that are equivalent."""
    known = equivalents(EQUIVALENTS.read_text())
    files = [file for top in area.code for file in sorted((copy.path / top).rglob("*.py"))]
    paths = [file.relative_to(copy.path).as_posix() for file in files]
    found = [
        one
        for path in paths
        if not path.startswith(LEFT_OUT)
        for one in mutants(path, (copy.path / path).read_bytes())
    ]
    return [one for one in found if _key(one) not in known]


def _key(one: Mutant) -> tuple[str, str, str]:
    return one.path, " ".join(one.before.split()), " ".join(one.after.split())


def chosen_tests(one: Mutant, recording: Recording) -> list[str]:
    """Choose the tests that execute the lines of a fault, the fastest first, as many as there is time for.

    Of code that runs without coverage (the wrapper's archive) nothing is known: all tests of the area are
    asked.
    """
    lines = range(one.line, one.line + one.before.count("\n") + 1)
    wanted = {name for line in lines for name in recording.reached.get((one.path, line), ())}
    if not wanted and one.path.startswith("wrappers/"):
        wanted = set(recording.seconds)
    chosen: list[str] = []
    left = TESTS_S
    for name in sorted(wanted, key=lambda each: recording.seconds[each]):
        left -= recording.seconds[name]
        if left < 0 and chosen:
            break
        chosen.append(name)
    return chosen


def noticed(copy: Copy, one: Mutant, tests: Sequence[str], seconds: float) -> bool:
    """Put a fault into the copy, and say whether a test fails or does not end."""
    with copy.with_fault(one):
        return copy.pytest(["-x", "--no-header", *tests], START_S + SLOWER * seconds) != 0


def sample(copy: Copy, name: str, area: Area, seed: int, size: int) -> float:
    """Try faults of an area that are drawn by a seed; print those that no test noticed. Returns the share
    that was noticed.
    """
    recording = Recording(copy, name, area)
    recording.load()
    every = possible(copy, area)
    drawn = random.Random(f"{name} {seed}").sample(every, min(size, len(every)))
    began = time.monotonic()
    left: list[Mutant] = []
    with open(copy.kept / f"{name}-{seed}.txt", "w") as file:
        for one in sorted(drawn, key=lambda one: (one.path, one.start)):
            tests = chosen_tests(one, recording)
            if tests and noticed(copy, one, tests, sum(recording.seconds[test] for test in tests)):
                continue
            left.append(one)
            _say(file, f"{one.shown}\n", *_ran(tests))
        share = 1 - len(left) / len(drawn)
        minutes = (time.monotonic() - began) / 60
        _say(file, f"{name} {seed}: {share:.0%} of {len(drawn)} noticed, {minutes:.0f} min\n")
    return share


def _ran(tests: Sequence[str]) -> Iterable[str]:
    yield from (f"    {name}\n" for name in tests[:5])
    if not tests:
        yield "    no test executes it\n"
    elif tests[5:]:
        yield f"    and {len(tests) - 5} more\n"


def _say(file: TextIO, *lines: str) -> None:
    for line in lines:
        print(line, end="", file=file, flush=True)
        print(line, end="", flush=True)


def main(words: Sequence[str]) -> int:
    """Sample one area or all; 1 when one of them is below the goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("area", nargs="?", default="", choices=["", *AREAS])
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--sample", type=int, default=SAMPLE)
    given = parser.parse_args(words)
    copy = Copy()
    wanted = [given.area] if given.area else list(AREAS)
    shares = [sample(copy, name, AREAS[name], given.seed, given.sample) for name in wanted]
    return int(min(shares) < GOAL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
