"""`make demo-portal`: a portal on this machine, used with vip-client, the client of VIP.

A pipeline that converts DICOM files in a container, a user with a key, a page to watch; then twelve lines of
Python that upload slices of a brain template, convert each in a job of its own, and bring the images home.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.demo.data import obtain_template, write_made_series
from tests.demo.nifti import read_nifti
from tests.demo.steps import CACHE, image_in_registry, shown, step, tell
from tests.services import environment
from tests.services.environment import server_program

SLICES = range(60, 132, 6)
"""Of the template, from 1: each is one job."""
ENGINE = Path(sys.executable).with_name("engine")
LINES = """\
from vip_client import VipSession

VipSession.init(api_key="{key}", vip_portal_url="{url}")
session = VipSession(
    session_name="demo",
    pipeline_id="{pipeline}",
    input_dir="inputs",
    input_settings={{"series": {slices}, "name": "slice"}},
    output_dir="outputs",
)
session.run_session(refresh_time=1)
session.finish()
"""


def main() -> None:
    """Show it; then leave it running until Ctrl-C, unless `--once` is said or nobody sits here."""
    print(__doc__)
    home = CACHE / "portal"
    shutil.rmtree(home, ignore_errors=True)
    (home / "inputs").mkdir(parents=True)
    environment.install()
    with step("Making the data: slices of the MNI152 brain template as DICOM files"):
        template = obtain_template(CACHE)
        series = write_made_series(template, CACHE / "dicom")
    for number in SLICES:
        shutil.copy(series / f"{number:04}.dcm", home / "inputs")
    with image_in_registry() as descriptor, _daemon(home) as url:
        pipeline = _engine(home, "pipeline", "add", str(descriptor)).strip()
        key = json.loads(_engine(home, "user", "add", "newcomer", "--json"))["key"]
        tell(f"the page to watch: {url}/")
        tell(f"the key of the user newcomer: {key}")
        slices = [f"inputs/{number:04}.dcm" for number in SLICES]
        script = home / "twelve_lines.py"
        script.write_text(LINES.format(key=key, url=url, pipeline=pipeline, slices=slices))
        with step(f"Running {shown(script)} with vip-client from PyPI"):
            program = server_program("python")
            done = subprocess.run([program, script], cwd=home, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        _check(home)
        _engine(home, "audit", "verify")
        if "--once" not in sys.argv and sys.stdin.isatty():
            _stay(url, script, program)


def _check(home: Path) -> None:
    images = sorted((home / "outputs").rglob("*.nii.gz"))
    if len(images) != len(SLICES):
        sys.exit(f"demo: {len(images)} images came home, not {len(SLICES)}")
    for image in images:
        if read_nifti(image).shape[:2] != (197, 233):
            sys.exit(f"demo: {image} is not a slice of the template")
    tell(f"checked: {len(images)} images of 197 x 233 voxels in {shown(home / 'outputs')}")


def _stay(url: str, script: Path, program: str) -> None:
    print(f"\nThe portal stays at {url}/ until Ctrl-C. Run the lines again, or change them:")
    print(f"\n    cd {shown(script.parent)} && {program} {script.name}\n", flush=True)
    with suppress(KeyboardInterrupt):
        signal.pause()


@contextmanager
def _daemon(home: Path) -> Iterator[str]:
    """`engine serve` in a home of its own; gives its URL."""
    with step("Starting the daemon"), (home / "serve.log").open("w") as log:
        process = subprocess.Popen([ENGINE, "serve", "--http"], env=_environment(home), cwd=home, stderr=log)
        url = _url(home / "serve.log", process)
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def _url(log: Path, process: subprocess.Popen[bytes]) -> str:
    while process.poll() is None:
        for line in log.read_text().splitlines():
            with suppress(ValueError, KeyError, OSError):
                url = str(json.loads(line)["http"])
                urllib.request.urlopen(f"{url}/health").close()
                return url
        time.sleep(0.1)
    sys.exit(f"demo: the daemon has ended: {log.read_text()}")


def _engine(home: Path, *words: str) -> str:
    print(f"\n$ engine {' '.join(words)}", flush=True)
    command = [str(ENGINE), *words]
    done = subprocess.run(command, env=_environment(home), cwd=home, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"demo: it ended with exit code {done.returncode}")
    return str(done.stdout)


def _environment(home: Path) -> dict[str, str]:
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("ENGINE_", "XDG_"))}
    own = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("DATA", "STATE", "CONFIG")}
    return {**usual, **own, "ENGINE_API__LISTEN": "127.0.0.1:0"}


if __name__ == "__main__":
    main()
