"""Speed of expansion, in turns with the reference library, and the memory of a million jobs.

All times are processor time, so that other programs on the machine do not count.

python -m tests.bench.expansion [JOBS]
"""

from __future__ import annotations

import contextlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from engine.planning import InvocationError, compile_tool, read_invocations
from tests.bench.figures import row
from tests.planning.conformance import Key, descriptors, key_of, tools, vectors
from tests.planning.reference import reference
from tests.planning.samples import expansions, file, number, text, tool_of

ROUNDS = 20
REFERENCE_SAMPLES = 40
TURNS = 3
WARM = 1000
"""Jobs after which the process has all that it needs once."""


def seconds(call: Callable[[], Any], repeat: int = 1) -> float:
    """Processor time of one call, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        for _ in range(repeat):
            call()
        best = min(best, (time.process_time() - start) / repeat)
    return best


def acceptable() -> Iterator[tuple[Key, list[dict[str, Any]]]]:
    """For each conformance descriptor, invocations that it accepts."""
    found: dict[Key, list[dict[str, Any]]] = {}
    for vector in vectors():
        if vector["expect"] == "ok" and vector["kind"] in ("min", "full"):
            try:
                tools()[key_of(vector)].expand(vector["invocation"], stage=True)
            except InvocationError:
                continue
            found.setdefault(key_of(vector), []).append(vector["invocation"])
    yield from found.items()


def per_invocation(*, stage: bool) -> list[float]:
    """Microseconds per invocation, validated and rendered, one figure for each descriptor."""
    figures = []
    for key, invocations in acceptable():
        compiled = tools()[key]

        def every(compiled: Any = compiled, invocations: Any = invocations) -> None:
            for invocation in invocations:
                compiled.expand(invocation, stage=stage)

        figures.append(seconds(every, ROUNDS) / len(invocations) * 1e6)
    return figures


def beside_the_reference() -> tuple[list[float], list[float]]:
    """Microseconds of ours and of the reference library for the same invocations, taken in turns."""
    ours, its = [], []
    chosen = list(acceptable())[:: max(1, len(tools()) // REFERENCE_SAMPLES)]
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):  # it writes files
        for key, (invocation, *_) in chosen:
            compiled, data = tools()[key], descriptors()[key].data
            reference(data, invocation)  # what is done once counts for neither
            pairs = [
                (
                    seconds(lambda: compiled.expand(invocation), ROUNDS),  # noqa: B023
                    seconds(lambda: reference(data, invocation)),  # noqa: B023
                )
                for _ in range(TURNS)
            ]
            ours.append(min(pair[0] for pair in pairs) * 1e6)
            its.append(min(pair[1] for pair in pairs) * 1e6)
    return ours, its


def compilation(*, check: bool) -> list[float]:
    """Milliseconds to compile a descriptor."""
    chosen = list(descriptors().values())[::20]
    return [seconds(lambda one=one: compile_tool(one, check=check)) * 1e3 for one in chosen]  # type: ignore[misc]


def resident() -> float:
    """Megabytes that this process holds now: a peak would hide what grows below an earlier one."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2


def streaming(jobs: int) -> tuple[float, float, float]:
    """Seconds of processor time to read, check and render so many JSON lines; the megabytes that the process
    holds after a few of them, and the most that it held more at any of the others.
    """
    tool = tool_of(
        "bet [INFILE] [OUT] [FRAC]",
        file("infile"),
        text("out"),
        number("frac", optional=True, minimum=0, maximum=1),
        outputs=[{"id": "o", "path-template": "[OUT]_brain.nii"}],
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "points.jsonl"
        with path.open("w") as lines:
            for number_ in range(jobs):
                lines.write(f'{{"infile": "data/sub-{number_}.nii", "out": "s{number_}", "frac": 0.5}}\n')
        stream = expansions(tool, read_invocations([path], tool.tool))
        count = sum(1 for _ in islice(stream, WARM))
        before = most = resident()
        start = time.process_time()
        for _ in stream:
            count += 1
            if count % WARM == 0:
                most = max(most, resident())
        took = time.process_time() - start
    if count != jobs:
        raise AssertionError(f"{count} of {jobs} jobs")
    return took, before, most - before


def show(what: str, figures: list[float], unit: str) -> None:
    """A line of the table."""
    ordered = sorted(figures)
    high = ordered[int(len(ordered) * 0.95)]
    row(what, f"{statistics.median(ordered):.1f} {unit} (95 %: {high:.1f})")


def main(jobs: int = 1_000_000) -> None:
    """Measure everything and print a table."""
    print(f"expansion: {len(descriptors())} conformance descriptors, one core")
    show("an invocation, checked and rendered", per_invocation(stage=False), "µs")
    show("the same, with staged names", per_invocation(stage=True), "µs")
    ours, its = beside_the_reference()
    show("some of them, in turns with the reference", ours, "µs")
    show("the same by the reference library", its, "µs")
    ratios = sorted(its[place] / ours[place] for place in range(len(ours)))
    row("the reference's time by ours", f"{ratios[len(ratios) // 2]:,.0f}")
    show("compiling a descriptor that is known", compilation(check=False), "ms")
    show("compiling and validating a new one", compilation(check=True), "ms")
    with get_context("spawn").Pool(1) as alone:
        took, usual, grown = alone.apply(streaming, (jobs,))
    row(f"{jobs:,} JSON lines read, checked and rendered", f"{took:.1f} s, {jobs / took:,.0f} jobs/s")
    row(f"memory after {WARM:,} of them", f"{usual:.0f} MB")
    row("what all the others add", f"{grown:+.1f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
