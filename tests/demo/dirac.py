"""`make demo-dirac`: a sweep of 100 jobs on a grid of one machine, through a real DiracX server.

The server is DiracX itself (SQLite, sandboxes in a stand-in of S3). The site is a stand-in of ours for
DIRAC's pilots, `tests.services.localsite`: it asks the server for jobs and runs each in its container, twice
at a time. Each job throws darts at a circle; together they know pi.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.demo.steps import CACHE, shown, step, tell
from tests.services.diracx import VENV, install, start_diracx, start_site
from tests.services.images import push_busybox
from tests.services.registry import start_registry

JOBS, DARTS = 100, 20_000
COMMAND = (
    "awk -v seed=[SEED] -v darts=[DARTS] 'BEGIN { srand(seed); while (darts-- > 0) { x = rand(); y = rand();"
    " if (x * x + y * y < 1) hits++ }; print hits }' > hits.txt"
)


def main() -> None:
    """Show it all; ends with an error when a result is not what it must be."""
    print(__doc__)
    place = CACHE / "dirac"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with step(f"Making the server's own environment in {shown(VENV)} (the first time, two minutes)"):
        install()
    with start_registry(place / "registry") as registry, start_diracx(place / "server") as server:
        tell(f"DiracX answers at {server.url}")
        with start_site(server, place / "site"):
            variables = {
                "XDG_DATA_HOME": str(place / "data"),
                "ENGINE_BACKEND": "diracx",
                "ENGINE_BACKENDS__DIRACX__URL": server.url,
                "ENGINE_BACKENDS__DIRACX__TOKEN": str(server.credential()),
                "ENGINE_BACKENDS__DIRACX__SHARED_FILES": "true",
                "ENGINE_BACKENDS__DIRACX__POLL": "1",
                "ENGINE_BACKENDS__DIRACX__NODE__CACHE": str(place / "images"),
            }
            run(variables, "doctor", "--backend", "diracx")
            results = submit(variables, write_tool(place, push_busybox(registry)), write_sweep(place))
            check(results)
            run(variables, "sites")
            run(variables, "explain", f"{results.name}:1")


def write_tool(place: Path, image: str) -> Path:
    """The descriptor. Returns the file."""
    inputs = [
        {"id": id_, "name": id_, "type": "Number", "integer": True, "value-key": f"[{id_.upper()}]"}
        for id_ in ("seed", "darts")
    ]
    descriptor = {
        "name": "darts",
        "description": "Throws darts at a circle",
        "tool-version": "1.0",
        "schema-version": "0.5",
        "command-line": COMMAND,
        "container-image": {"type": "docker", "image": image},
        "inputs": inputs,
        "output-files": [{"id": "hits", "name": "hits", "path-template": "hits.txt"}],
    }
    file = place / "darts.json"
    file.write_text(json.dumps(descriptor, indent=2))
    return file


def write_sweep(place: Path) -> Path:
    """One invocation a line. Returns the file."""
    file = place / "sweep.jsonl"
    file.write_text("".join(json.dumps({"seed": n, "darts": DARTS}) + "\n" for n in range(1, JOBS + 1)))
    return file


def run(variables: Mapping[str, str], *words: str) -> None:
    """A command of the engine, as anybody would type it."""
    print(f"\n$ engine {' '.join(words)}", flush=True)
    program = Path(sys.executable).with_name("engine")
    if subprocess.run([program, *words], env={**os.environ, **variables}).returncode:
        sys.exit(f"demo: engine {words[0]} failed")


def submit(variables: Mapping[str, str], tool: Path, sweep: Path) -> Path:
    """Run the sweep to its end, with live progress. Returns the directory of the results."""
    words = ["submit", shown(tool), shown(sweep), "--group", "2"]
    print(f"\n$ engine {' '.join(words)}", flush=True)
    program = Path(sys.executable).with_name("engine")
    done = subprocess.run(
        [program, *words], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"demo: engine submit ended with exit code {done.returncode}")
    return Path(done.stdout.splitlines()[-1])


def check(results: Path) -> None:
    """Every job has its result, and together they are right."""
    hits = [int(file.read_text()) for file in sorted((results / "outputs").rglob("hits.txt"))]
    pi = 4 * sum(hits) / (JOBS * DARTS)
    if len(hits) != JOBS or len(set(hits)) < JOBS / 4 or abs(pi - 3.14159) > 0.01:
        sys.exit(f"demo: {len(hits)} results say that pi is {pi}")
    tell(f"checked: {len(hits)} results, and pi is about {pi:.4f}")


if __name__ == "__main__":
    main()
