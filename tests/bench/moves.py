"""Moves files by the wrapper's transfer layer, as a program: `python -m tests.bench.moves HOW URL DIRECTORY`.

Prints the seconds that it took, from the first connection to the last verified byte.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

from wrappers import wire
from wrappers.transfer import pool
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.source import FileSource
from wrappers.transfer.tree import TarSource, unpack


def main(how: str, base: str, directory: str) -> None:
    """Do what `how` says with the files of a directory and those below a URL."""
    files = sorted(Path(directory).iterdir())
    known = json.loads(Path(f"{directory}.json").read_text())
    start = time.perf_counter()
    with Mover(wire.Transfers()) as mover:
        if how == "tar":
            _tar(mover, files, base, f"{directory}.unpacked")
        else:
            one = _get if how == "get" else _put
            tasks: list[Callable[[], None]] = [partial(one, mover, path, base, known) for path in files]
            pool.run(tasks, mover.parallel, mover.stop)
    print(time.perf_counter() - start)


def _get(mover: Mover, path: Path, base: str, known: dict[str, dict[str, str]]) -> None:
    expected = Expected(os.path.getsize(path), {"adler32": known[path.name]["adler32"]})
    with Part(f"{path.parent}.got", expected) if len(known) == 1 else Part(os.devnull, expected) as part:
        sums = mover.fetch([f"{base}/{quote(path.name)}"], part, []).sums
    assert sums["sha256"] == known[path.name]["sha256"]


def _put(mover: Mover, path: Path, base: str, known: dict[str, dict[str, str]]) -> None:
    source = FileSource(str(path))
    mover.store([f"{base}/{quote(path.name)}"], source, [])
    assert source.sums()["sha256"] == known[path.name]["sha256"]


def _tar(mover: Mover, files: list[Path], base: str, target: str) -> None:
    source = TarSource([], [(path.name, str(path)) for path in files])
    mover.store([f"{base}/all.tar"], source, [])
    packed = f"{target}.tar"
    with Part(packed, Expected(source.size, source.sums())) as part:
        mover.fetch([f"{base}/all.tar"], part, [])
    unpack(packed, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
