"""`make demo`: a real imaging tool, in a real container, on real data, through the real command line.

Downloads and the container image are kept in .cache/demo, so that a second run starts at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.demo.data import MADE, REAL, obtain_template, write_made_series, write_real_series
from tests.demo.nifti import read_header, read_nifti
from tests.demo.steps import CACHE, DESCRIPTOR, image_in_registry, shown, step, tell

SHAPES = {MADE: (197, 233, 189), "mr-slice": (64, 64, 1), "ct-slice": (128, 128, 1), "heart-ct": (16, 16, 5)}


def main() -> None:
    """Show it all; ends with an error when a result is not what it must be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    print("The engine's demo: DICOM to NIfTI with dcm2niix, in a container.")
    with step("Making the data"):
        template = obtain_template(CACHE)
        series = {MADE: write_made_series(template, CACHE / "dicom"), **write_real_series(CACHE / "dicom")}
    tell(f"{MADE}: the MNI152 brain template (from nilearn), written out as 189 DICOM slices for this demo")
    tell(f"{', '.join(REAL)}: real DICOM images, as they come with pydicom")
    with image_in_registry() as descriptor:
        results = convert(descriptor, series, template)
    conclude(results)


def convert(descriptor: Path, series: Mapping[str, Path], template: Path) -> Path:
    """Submit one series, then all as a sweep, and check every image. Returns the sweep's results."""
    results = submit(descriptor, write_lines(CACHE / "one.json", {MADE: series[MADE]}))
    check_template(find(results, MADE), template)
    results = submit(descriptor, write_lines(CACHE / "many.jsonl", series))
    for name in series:
        check_shape(find(results, name), name)
    return results


def write_lines(file: Path, series: Mapping[str, Path]) -> Path:
    """One invocation a line. Returns the file."""
    lines = [json.dumps({"series": shown(path), "name": name}) for name, path in series.items()]
    file.write_text("\n".join(lines) + "\n")
    return file


def submit(descriptor: Path, invocations: Path) -> Path:
    """Run the tool as anybody would. Returns the directory of the results."""
    print(f"\n$ engine submit {shown(descriptor)} {shown(invocations)}", flush=True)
    program = Path(sys.executable).with_name("engine")
    done = subprocess.run([program, "submit", descriptor, invocations], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"demo: engine submit ended with exit code {done.returncode}")
    return Path(done.stdout.splitlines()[-1])


def find(results: Path, name: str) -> Path:
    """The image that a job wrote under this name."""
    found = sorted((results / "outputs").rglob(f"{name}*.nii.gz"))
    if not found:
        sys.exit(f"demo: no image of {name} in {results}")
    return found[0]


def check_template(image: Path, template: Path) -> None:
    """The template went to DICOM, through the container and back: it must be the same to the last voxel."""
    made, wanted = read_nifti(image), read_nifti(template)
    same = (made.shape, made.spacing, made.origin) == (wanted.shape, wanted.spacing, wanted.origin)
    if not same or not np.array_equal(made.voxels, wanted.voxels):
        sys.exit(f"demo: {image} is not the template that went in")
    tell(f"checked: all {made.voxels.size:,} voxels of {image.name} are those of the template, and in place")


def check_shape(image: Path, name: str) -> None:
    """The image has the size that its DICOM files say."""
    shape = read_header(image).shape
    if shape != SHAPES[name]:
        sys.exit(f"demo: {image} has {shape} voxels, not {SHAPES[name]}")
    tell(f"checked: {image.name} has {' x '.join(map(str, shape))} voxels")


def conclude(results: Path) -> None:
    """Say where everything is."""
    print("\nWhat the second command left:")
    for what in ("outputs", "provenance", "logs"):
        tell(f"{what + ':':12}{shown(results / what)}/")
    tell("what happened to a job: .venv/bin/engine explain " + f"{results.name}:1")
    print("\nWith a connection to the internet, the example runs as it is, image included:")
    tell(f".venv/bin/engine submit {shown(DESCRIPTOR)} {shown(CACHE / 'one.json')}")


main()
