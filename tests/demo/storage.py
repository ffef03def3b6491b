"""`make demo-storage`: a sweep whose inputs are on one storage and whose results go to others.

Inputs lie on XRootD and are fetched over WebDAV; results go to nginx, which is killed half-way, then to a
second XRootD; at the end every result is brought home and compared with what it must be. Jobs run on this
machine, but use none of its paths (setting backends.local.simulate_remote).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.demo.data import MADE, obtain_template, write_made_series
from tests.demo.nifti import Nifti, read_nifti
from tests.demo.steps import CACHE, image_in_registry, shown, step, tell
from tests.services.nginx import Nginx, start_nginx
from tests.services.xrootd import start_xrootd

SLICES = range(61, 133, 3)
"""Of the template, from 1: each is one job."""
PATIENCE = 120.0
"""Seconds until something must have happened that the demo waits for."""


def main() -> None:
    """Show it all; ends with an error when a result is not what it must be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    print(__doc__)
    with step("Making the data: slices of the MNI152 brain template as DICOM files"):
        template = obtain_template(CACHE)
        series = write_made_series(template, CACHE / "dicom")
    with (
        image_in_registry() as descriptor,
        start_xrootd() as first,
        start_nginx() as second,
        start_xrootd() as third,
    ):
        storages: dict[str, dict[str, Any]] = {
            "inputs": {"url": f"{first.http.replace('http', 'dav')}/demo", "aliases": [f"{first.root}/demo"]},
            "results": {"url": f"{second.url}/demo"},
            "spare": {"url": f"{third.http}/demo"},
        }
        engine = Engine(CACHE / "storage", storages)
        engine.run("data", "put", *(series / f"{number:04}.dcm" for number in SLICES), "inputs:slices/")
        sweep = _invocations(CACHE / "storage" / "slices.jsonl")
        done = _submit(engine, descriptor, sweep, second, third.files)
        home = CACHE / "storage" / "home" / done["id"]
        engine.run("results", done["id"], "--download", home)
        _check(home, read_nifti(template))
        _conclude(engine, done["id"])


class Engine:
    """The command line, with settings of the demo's own."""

    def __init__(self, directory: Path, storages: Mapping[str, Mapping[str, Any]]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        settings = {
            "database": f"sqlite:///{directory / 'engine.db'}",
            "results": str(directory / "results"),
            "backends": {"local": {"simulate_remote": True}},
            "storages": {name: dict(section) for name, section in storages.items()},
            "data": {"results": ["results", "spare"], "stall": 10},
        }
        self._config = directory / "engine.yaml"
        self._config.write_text(yaml.safe_dump(settings, sort_keys=False))

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Begin a command."""
        program = Path(sys.executable).with_name("engine")
        told = " ".join(shown(word) if isinstance(word, Path) else word for word in words[:6])
        print(f"\n$ engine {told}{' ...' if len(words) > 6 else ''}", flush=True)
        environment = {**os.environ, "ENGINE_CONFIG": str(self._config)}
        return subprocess.Popen([program, *words], text=True, env=environment, **options)

    def run(self, *words: str | Path) -> str:
        """A command to its end; what it printed."""
        process = self.start(*words, stdout=subprocess.PIPE)
        out, _ = process.communicate()
        if process.returncode:
            sys.exit(f"demo: it ended with exit code {process.returncode}")
        return out


def _invocations(file: Path) -> Path:
    lines = [
        json.dumps({"series": f"inputs:slices/{number:04}.dcm", "name": f"slice-{number:04}"})
        for number in SLICES
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def _submit(engine: Engine, descriptor: Path, sweep: Path, second: Nginx, spare: Path) -> Any:
    """Run the sweep, and kill the storage of its results when a third of them are there."""
    submit = engine.start("submit", descriptor, sweep, "--json", stdout=subprocess.PIPE)
    try:
        _wait(submit, lambda: _count(second.files) >= len(SLICES) // 3, "results on nginx")
        second.program.stop()
        tell(f"nginx was killed; {_count(second.files)} images are there")
        _wait(submit, lambda: _count(spare) >= 4, "results on the spare storage")
        second.program.start()
        tell("nginx is back, for the results that it holds")
        out, _ = submit.communicate(timeout=PATIENCE)
    finally:
        submit.kill()
    if submit.returncode:
        sys.exit(f"demo: engine submit ended with exit code {submit.returncode}")
    return json.loads(out)


def _wait(process: subprocess.Popen[str], until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"demo: {what} were awaited, and did not come")
        time.sleep(0.05)


def _count(files: Path) -> int:
    return sum(1 for _ in files.rglob("*.nii.gz"))


def _check(home: Path, template: Nifti) -> None:
    """Every slice went through two storages and a container: it must be the template's, to the last voxel."""
    for number in SLICES:
        [image] = home.rglob(f"slice-{number:04}*.nii.gz")
        found = read_nifti(image).voxels
        if not np.array_equal(found.squeeze(), template.voxels[:, :, number - 1]):
            sys.exit(f"demo: {image} is not slice {number} of the template")
    tell(f"checked: all {len(SLICES)} slices are those of {MADE}, voxel by voxel")


def _conclude(engine: Engine, id_: str) -> None:
    found = json.loads(engine.run("catalogue", "export", id_))
    where = [entry["replicas"][0]["se"] for entry in found.values()]
    tell(f"results on nginx: {where.count('results')}, on the spare storage: {where.count('spare')}")


if __name__ == "__main__":
    main()
