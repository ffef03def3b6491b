"""Speed of expansion, beside the reference library in the same run, and the memory of a million jobs.

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
from pathlib import Path
from typing import Any

from engine.planning import InvocationError, compile_tool, read_invocations
from tests.planning.conformance import Key, descriptors, key_of, tools, vectors
from tests.planning.reference import reference
from tests.planning.samples import expansions, file, number, text, tool_of

ROUNDS = 20
REFERENCE_SAMPLES = 40


def seconds(call: Callable[[], Any], repeat: int = 1) -> float:
    """Wall time of one call, the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(repeat):
            call()
        best = min(best, (time.perf_counter() - start) / repeat)
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


def of_the_reference() -> list[float]:
    """The same by the reference library, for some of the descriptors."""
    figures = []
    chosen = list(acceptable())[:: max(1, len(tools()) // REFERENCE_SAMPLES)]
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):  # it writes files
        for key, invocations in chosen:
            start = time.perf_counter()
            reference(descriptors()[key].data, invocations[0])
            figures.append((time.perf_counter() - start) * 1e6)
    return figures


def compilation(*, check: bool) -> list[float]:
    """Milliseconds to compile a descriptor."""
    chosen = list(descriptors().values())[::20]
    return [seconds(lambda one=one: compile_tool(one, check=check)) * 1e3 for one in chosen]  # type: ignore[misc]


def streaming(jobs: int) -> tuple[float, float]:
    """Seconds to read, check and render so many JSON lines, and the megabytes that this added at the peak."""
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
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        count = sum(1 for _ in expansions(tool, read_invocations([path], tool.tool)))
        took = time.perf_counter() - start
    if count != jobs:
        raise AssertionError(f"{count} of {jobs} jobs")
    return took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def show(what: str, figures: list[float], unit: str) -> None:
    """A line of the table."""
    ordered = sorted(figures)
    high = ordered[int(len(ordered) * 0.95)]
    print(f"{what:<44} median {statistics.median(ordered):>9.1f} {unit}   95 % {high:>9.1f} {unit}")


def main(jobs: int = 1_000_000) -> None:
    """Measure everything and print a table."""
    print(f"expansion: {len(descriptors())} conformance descriptors, one core")
    show("an invocation, checked and rendered", per_invocation(stage=False), "µs")
    show("the same, with staged names", per_invocation(stage=True), "µs")
    show("the reference library, in process", of_the_reference(), "µs")
    show("compiling a descriptor that is known", compilation(check=False), "ms")
    show("compiling and validating a new one", compilation(check=True), "ms")
    took, grown = streaming(jobs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{jobs:,} JSON lines read, checked and rendered: {took:.1f} s ({jobs / took:,.0f} jobs/s)")
    print(f"memory: {grown:+.1f} MB while streaming; peak of this process {peak:.0f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
