"""`make bench`: every benchmark, one after the other, each a line or a few of the same table.

Figures are medians of several runs. Machines are noisy: claims are ratios to a peer measured in the same run.
"""

from __future__ import annotations

import sys
from importlib import import_module

from tests.bench.figures import ROOT, begin, end

ALL = (
    "expansion",
    "planning",
    "overhead",
    "syscalls",
    "isolation",
    "throughput",
    "memory",
    "creation",
    "similar",
    "upgrade",
    "transfers",
    "grid",
    "portal",
    "attacks",
)


FILES = ROOT / ".cache" / "bench"


def main() -> None:
    """Run those that are named, or all."""
    for name in sys.argv[1:] or ALL:
        print(f"-- {name}", flush=True)
        run = begin(name)
        import_module(f"tests.bench.{name}").main()
        end(run, FILES)
    print(f"the last runs are in {FILES / 'figures.md'}")


if __name__ == "__main__":
    main()
