"""`make demo-cvmfs`: an image is pulled, made a container and published; a job runs it with no registry left.

The publication goes to a directory; a CVMFS repository takes the same commands with `--to cvmfs:REPOSITORY`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.demo.data import write_real_series
from tests.demo.nifti import read_header
from tests.demo.steps import CACHE, image_in_registry, shown, step, tell

PLACE = CACHE / "published"
WORK = CACHE / "cvmfs-deploy"
CONTAINERS = PLACE / "vip/udocker/containers"
SERIES, SHAPE = "ct-slice", (128, 128, 1)


def main() -> None:
    """Show it all; ends with an error when something is not what it must be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    print("The demo of cvmfs-deploy: an image published once, for jobs that pull nothing.")
    with step("Removing what an earlier demo published"):
        for directory in (PLACE, WORK):
            shutil.rmtree(directory, ignore_errors=True)
    series = write_real_series(CACHE / "dicom")[SERIES]
    with image_in_registry() as descriptor:
        wishes = write_wishes(descriptor)
        deploy("plan", wishes)
        deploy("sync", wishes)
        deploy("sync", wishes)
        deploy("verify", "--deep")
    deploy("list")
    tell("the registry has been stopped: from here on nothing can be pulled")
    check(run_job(descriptor, series))
    conclude(wishes)


def write_wishes(descriptor: Path) -> Path:
    """A wish-list with the descriptor's image. Returns the file."""
    image = json.loads(descriptor.read_text())["container-image"]["image"]
    file = CACHE / "images.yaml"
    file.write_text(yaml.safe_dump({"images": [{"image": image, "layouts": ["udocker", "singularity"]}]}))
    return file


def deploy(*words: str | Path) -> None:
    """Run `cvmfs-deploy` as an administrator would."""
    known = ["--to", PLACE, "--work", WORK, *words]
    said = [shown(word) if isinstance(word, Path) else word for word in known]
    print(f"\n$ cvmfs-deploy {' '.join(said)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "cvmfs_deploy", *known], stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"demo: cvmfs-deploy {words[0]} ended with exit code {done.returncode}")


def run_job(descriptor: Path, series: Path) -> Path:
    """Run the tool from what was published. Returns the directory of the results."""
    file = CACHE / "published.json"
    file.write_text(json.dumps({"series": shown(series), "name": SERIES}))
    settings = {"ENGINE_NODE__CVMFS": json.dumps([str(CONTAINERS)]), "ENGINE_NODE__PULL": "false"}
    print(f"\n$ export ENGINE_NODE__CVMFS='[\"{shown(CONTAINERS)}\"]' ENGINE_NODE__PULL=false")
    print(f"$ engine submit {shown(descriptor)} {shown(file)}", flush=True)
    program = Path(sys.executable).with_name("engine")
    done = subprocess.run(
        [program, "submit", descriptor, file],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"demo: engine submit ended with exit code {done.returncode}")
    return Path(done.stdout.splitlines()[-1])


def check(results: Path) -> None:
    """The job made the right image, from the published container, and nothing came over the network."""
    images = sorted((results / "outputs").rglob(f"{SERIES}*.nii.gz"))
    if not images or read_header(images[0]).shape != SHAPE:
        sys.exit(f"demo: {results} has no image of {SERIES}")
    (record,) = (json.loads(path.read_text()) for path in (results / "provenance").glob("*.json"))
    used = record["additional-information"]["runtime"]
    if used["origin"] != "cvmfs" or used.get("received"):
        sys.exit(f"demo: the image came from elsewhere: {used}")
    tell(f"checked: {images[0].name} has {' x '.join(map(str, SHAPE))} voxels")
    tell(f"checked: the job ran {shown(Path(used['image']))}, and nothing was fetched")


def conclude(wishes: Path) -> None:
    """Say what to try next."""
    print("\nWhat was published:")
    tell(f"{shown(CONTAINERS)}/")
    tell(f"the same on a stratum 0:  .venv/bin/cvmfs-deploy --to cvmfs:REPOSITORY sync {shown(wishes)}")
    tell("more in docs/how-to/publish-images.md")


if __name__ == "__main__":
    main()
