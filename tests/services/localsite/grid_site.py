"""A grid site on one machine, for tests and small trials: it asks a DiracX server for jobs and runs them.

It is not a pilot of DIRAC. It speaks to the server's own interface, and to the matcher of
`tests.services.localsite`, without which a DiracX server gives jobs to nobody:

    python -m tests.services.localsite.grid_site --url http://127.0.0.1:8060 --credential pilot.json --slots 2
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.backends.diracx import sandbox
from engine.backends.diracx.answers import DiracxRefused
from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.search import one_of
from engine.backends.wms.outputs import output_sandbox
from engine.backends.wms.payload import pack
from engine.errors import EngineError
from wrappers.containers.tree import remove

log = logging.getLogger("tests.services.localsite.grid_site")

GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL for a job that is killed."""
YOUNG = 3.0
"""Seconds for which a job is not killed: a Python that has just been started dies without a word."""
IDLE_AFTER, IDLE_PAUSE = 30.0, 2.0
"""It stands beside all other tests: the server that is always asked takes a quarter of a core for nothing."""
LARGEST_OUTPUT = 100 << 20
NAME = "LOCAL.Site.xx"


@dataclass(frozen=True, slots=True)
class Site:
    """Where jobs run, and how."""

    url: str
    credential: Path
    """Token file of a pilot or job administrator."""
    scratch: Path
    name: str = NAME
    slots: int = 2
    tags: tuple[str, ...] = ()
    heartbeat: float = 2.0
    """Seconds between two signs of life, more than one (DiracX 0.7 takes no more); with one, a job hears of
    its end."""
    pause: float = 0.3
    """Seconds between two questions for a job; `IDLE_PAUSE` when there was none for `IDLE_AFTER` seconds."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that jobs get."""

    def serve(self, stop: threading.Event) -> None:
        """Run jobs until told to stop; those that run are then killed."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        slots = [threading.Thread(target=self._slot, args=(stop,)) for _ in range(self.slots)]
        for slot in slots:
            slot.start()
        for slot in slots:
            slot.join()

    def _slot(self, stop: threading.Event) -> None:
        pilot, worked = DiracxClient(self.url, self.credential), time.monotonic()
        while not stop.is_set():
            try:
                asked = {"site": self.name, "tags": list(self.tags)}
                match = pilot.call("POST", "/api/localsite/match", asked).data
                if match:
                    _Job(self, match, stop).run()
                    worked = time.monotonic()
                    continue
            except (EngineError, DiracxRefused, OSError) as error:
                log.warning("%s", error)
            except Exception:
                log.exception("a job could not be run")  # the slot goes on
            is_idle = time.monotonic() - worked > IDLE_AFTER
            stop.wait(IDLE_PAUSE if is_idle else self.pause)
        pilot.close()


class _Job:
    """One job from its match to its end, as DIRAC's JobWrapper would report it."""

    def __init__(self, site: Site, match: Mapping[str, Any], stop: threading.Event) -> None:
        self._site = site
        self._stop = stop
        self.id = str(match["JobID"])
        self._description = match["Description"]
        self._work = Path(tempfile.mkdtemp(prefix=f"job-{self.id}-", dir=site.scratch))
        token = self._work / ".credentials.json"
        with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump({"access_token": match["Token"], "expires_on": int(time.time()) + 86_400}, file)
        self._client = DiracxClient(site.url, token)

    def run(self) -> None:
        try:
            self._tell("Running", "Downloading InputSandbox")
            for name in self._list("InputSandbox"):
                fetch(self._client, name, self._work)
            self._tell(None, "Application")
            code, killed = self._execute()
            self._upload()
            if not killed:
                self._tell("Completing", "Uploading Output Sandbox", f"exit code {code}")
                self._tell("Failed" if code else "Done", "Execution Complete")
        except (EngineError, DiracxRefused, OSError) as error:
            log.warning("job %s: %s", self.id, error)
            with suppress(EngineError, DiracxRefused):
                self._tell("Failed", "Exception During Execution", str(error)[:200])
        finally:
            self._client.close()
            remove(self._work)

    def _execute(self) -> tuple[int, bool]:
        """Gives the exit code, and whether DIRAC wanted its end."""
        program = self._work / self._text("Executable")
        program.chmod(0o755)
        with (
            (self._work / (self._text("StdOutput") or "std.out")).open("wb") as out,
            (self._work / (self._text("StdError") or "std.err")).open("wb") as err,
        ):
            process = subprocess.Popen(
                [program, *shlex.split(self._text("Arguments"))],
                cwd=self._work,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        killed, old = False, time.monotonic() + YOUNG
        while process.poll() is None:
            try:
                process.wait(0.2 if self._stop.is_set() else self._site.heartbeat)
            except subprocess.TimeoutExpired:
                killed = killed or self._is_killed() or self._stop.is_set()
                if killed and time.monotonic() > old:
                    self._end(process)
        return process.returncode, killed

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _is_killed(self) -> bool:
        """Give a sign of life. The answer holds the wish for the end, once; the state tells it for ever."""
        question = {"parameters": ["Status"], "search": [one_of("JobID", [int(self.id)])]}
        try:
            self._client.call("PATCH", "/api/jobs/heartbeat", {self.id: {"WallClockTime": time.monotonic()}})
            found = self._client.call("POST", "/api/jobs/search", question).data
        except (EngineError, DiracxRefused) as error:
            log.warning("job %s: %s", self.id, error)
            return False
        return not found or found[0]["Status"] in ("Killed", "Deleted")

    def _upload(self) -> None:
        files = {
            path.name: path.read_bytes()
            for pattern in self._list("OutputSandbox")
            for path in sorted(self._work.glob(pattern))
            if path.is_file() and path.stat().st_size <= LARGEST_OUTPUT
        }
        if files:
            name = self._client.run(sandbox.upload(self._client, pack(files)))
            self._client.call("PATCH", f"/api/jobs/{self.id}/sandbox/output", name)

    def _tell(self, status: str | None, minor: str, application: str | None = None) -> None:
        words = {"Status": status, "MinorStatus": minor, "ApplicationStatus": application}
        update = {"Source": "JobWrapper", **{key: value for key, value in words.items() if value}}
        now = datetime.now(UTC).isoformat()
        self._client.call("PATCH", "/api/jobs/status", {self.id: {now: update}})

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {
            **kept,
            "HOME": str(self._work),
            "JOBID": self.id,
            "DIRACSITE": self._site.name,
            "DIRAC_PROCESSORS": "1",
            "DIRACX_URL": self._site.url,
            "DIRACX_CREDENTIALS_PATH": str(self._work / ".credentials.json"),
            **dict(self._site.environment),
        }

    def _text(self, name: str) -> str:
        return str(self._description.get(name) or "")

    def _list(self, name: str) -> list[str]:
        return [str(item) for item in self._description.get(name) or []]


def fetch(client: DiracxClient, name: str, into: Path) -> None:
    """Unpack an input sandbox: plain files only."""
    with output_sandbox(client.run(sandbox.download(client, name))) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if entry.isfile() and content is not None:
                target = into / Path(entry.name).name
                target.write_bytes(content.read())
                target.chmod(entry.mode & 0o700)


def main(words: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.localsite.grid_site", description=__doc__)
    parser.add_argument("--url", required=True, help="the DiracX server, with the matcher of localsite")
    parser.add_argument("--credential", type=Path, required=True, help="token file of a pilot")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "local-site")
    parser.add_argument("--name", default=NAME)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--heartbeat", type=float, default=2.0, help="seconds between two signs of life")
    parser.add_argument("--tag", action="append", default=[], help="a tag that this site has")
    given = parser.parse_args(words)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    site = Site(
        given.url,
        given.credential,
        given.scratch.absolute(),
        given.name,
        given.slots,
        tuple(given.tag),
        given.heartbeat,
    )
    site.serve(stop)


if __name__ == "__main__":
    main()
