"""Jobs at DIRAC in golden copies: by its services (a stand-in keeps them), and by a real DiracX server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.backends.diracx import sandbox
from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.search import one_of
from engine.backends.wms.jdl import OUTPUTS, render
from engine.backends.wms.payload import pack
from tests.services.diracx import Diracx
from tests.services.localsite.grid_site import fetch
from tests.services.registry import Registry

STAND_IN = Path(__file__).resolve().parents[1] / "services" / "dirac_stand_in"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
GRID_WORDS = {"dirac": ("tenth", "eleventh", "twelfth"), "diracx": ("twentieth", "thirtieth")}
"""What the jobs write that wait at each grid; the first one of DIRAC seems to run."""
SITE = "LOCAL.Site.xx"


def image_words(registry: Registry) -> dict[str, str]:
    """What stands for the registry and the image that were pushed to it, and what they are here."""
    request = urllib.request.Request(
        f"{registry.url}/v2/vip/busybox/manifests/1.0", method="HEAD", headers={"Accept": _MANIFEST}
    )
    with urllib.request.urlopen(request) as answer:
        digest = answer.headers["Docker-Content-Digest"]
    return {"@REGISTRY@": registry.host, "@IMAGE@": digest}


class Services:
    """The jobs that the stand-in for DIRAC's services keeps in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._state = root / "jobs.json"

    def settings(self) -> dict[str, str]:
        """Variables with which an engine finds it."""
        self.root.mkdir(exist_ok=True)
        every = {
            "PYTHONPATH": STAND_IN,
            "STAND_IN_STATE": self._state,
            "STAND_IN_STORE": self.root,
        }
        lines = [f"export {name}={shlex.quote(str(value))}\n" for name, value in every.items()]
        (self.root / "diracosrc").write_text("".join(lines))
        return {
            "ENGINE_DIRAC__DIRACOSRC": str(self.root / "diracosrc"),
            "ENGINE_DIRAC__COMMAND": json.dumps([sys.executable]),
        }

    def jobs(self, *states: str) -> list[int]:
        """The numbers of jobs in these states."""
        return [int(number) for number, job in self._read().items() if job["Status"] in states]

    def note(self, number: int, status: str) -> None:
        """Say how a job stands. Nobody else may change anything at that moment."""
        jobs = self._read()
        jobs[str(number)].update(Status=status, Site=SITE)
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(jobs))
        part.replace(self._state)

    def carry_out(self, number: int) -> None:
        """Run the payload of a job as a pilot does, and keep what it brings."""
        jdl = self._read()[str(number)]["JDL"]
        words = _text(jdl, "Arguments").split()
        [name] = re.findall(r"/(input-[^/.]+)\.tar", jdl)
        work = self.root / f"work-{number}"
        shutil.copytree(self.root / name, work)
        command = ["/bin/sh", _text(jdl, "Executable"), *words]
        plain = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        variables = {**plain, "HOME": str(work), "JOBID": str(number), "DIRACSITE": SITE}
        subprocess.run(command, cwd=work, env=variables, check=True, capture_output=True)
        with tarfile.open(self.root / f"output-{number}.tar", "w") as tar:
            for path in sorted({path for pattern in OUTPUTS for path in work.glob(pattern)}):
                tar.add(path, path.name)
        shutil.rmtree(work)
        self.note(number, "Done")

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._state.read_text()) if self._state.exists() else {}
        return found


def _text(jdl: str, name: str) -> str:
    [found] = re.findall(rf'^{name} = "(.*)";$', jdl, re.M)
    return str(found)


_OURS = (
    *("JobName", "JobGroup", "JobType", "Executable", "Arguments", "StdOutput", "StdError", "OutputSandbox"),
    *("Priority", "CPUTime", "NumberOfProcessors", "MaxRAM", "Tags"),
)
"""What engines say of a job; the server adds more."""
_KEPT = ("JobName", "JobGroup")
"""What of that the server keeps in its tables, and not in the description."""


def record(server: Diracx, into: Path) -> None:
    """Take all waiting jobs as a pilot does, and write down their descriptions and input sandboxes."""
    pilot = DiracxClient(server.url, server.credential(group="biomed_pilot"))
    user = DiracxClient(server.url, server.credential())
    while match := pilot.call("POST", "/api/localsite/match", {"site": SITE, "tags": []}).data:
        asked = {"parameters": list(_KEPT), "search": [one_of("JobID", [match["JobID"]])]}
        [row] = user.call("POST", "/api/jobs/search", asked).data
        description = {**match["Description"], **{key: row[key] for key in _KEPT}}
        directory = into / str(description["JobName"])
        directory.mkdir(parents=True)
        for name in description["InputSandbox"]:
            fetch(user, str(name), directory)
        said = {key: description[key] for key in _OURS if key in description}
        (directory / "job.json").write_text(json.dumps(said, indent=1))
    pilot.close()
    user.close()


def submit_again(server: Diracx, recorded: Path) -> dict[str, str]:
    """Submit recorded jobs to a server as they were; their numbers there by the engine's own keys."""
    user = DiracxClient(server.url, server.credential())
    numbers = {}
    for directory in sorted(recorded.iterdir()):
        said: Mapping[str, Any] = json.loads((directory / "job.json").read_text())
        files = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "job.json"}
        name = user.run(sandbox.upload(user, pack(files)))
        values = {key: int(value) if str(value).isdigit() else value for key, value in said.items()}
        answer = user.call("POST", "/api/jobs/jdl", [render({**values, "InputSandbox": [name]})])
        numbers[directory.name] = str(answer.data[0]["JobID"])
    user.close()
    return numbers
