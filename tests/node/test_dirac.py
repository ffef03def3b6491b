"""What a wrapper tells DIRAC about the job whose payload it is; and that no trouble there harms the job."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.backends.diracx.backend import DiracxBackend, DiracxSettings
from engine.backends.diracx.client import DiracxClient
from engine.backends.wms.jdl import JobRequirements
from engine.backends.wms.settings import GridSettings
from engine.ids import new_id
from engine.ports import Accepted, Submission
from tests.conftest import processes_of
from tests.node.conftest import Site, outputs, pythons
from tests.services.diracx import Diracx
from tests.services.unreliable import Trouble, Way, unreliable
from wrappers import wire
from wrappers.containers import programs
from wrappers.dirac import client, credential, diracx
from wrappers.dirac.job import GridJob
from wrappers.dirac.watchdog import NAME, Switch
from wrappers.transfer.errors import Permanent

pytestmark = pytest.mark.whole

STATUS, HEARTBEAT, TOKEN = "PATCH /api/jobs/status", "PATCH /api/jobs/heartbeat", "POST /api/auth/token"


def until(what: Callable[[], Any]) -> Any:
    """Wait for something to become true; the suite's own time limit ends a wait that never ends."""
    while not (found := what()):
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Grid:
    """A job at a real server, that a pilot has taken; the way to the server can be spoilt."""

    backend: DiracxBackend
    id: str
    way: Way
    site: Site

    def run(self, *manifests: wire.Manifest, code: int = 0) -> list[wire.Report]:
        """Carry out attempts as the payload of that job, in the directory of the site."""
        ended = subprocess.run(self.site.command(manifests), env=self.site.environment, cwd=self.site.root)
        assert ended.returncode == code
        return [self.site.report(manifest) for manifest in manifests]

    def story(self) -> str:
        """What the server tells of the job."""
        return "\n".join(words for _, words in self.backend.history(self.id))


@pytest.fixture
def way(diracx: Diracx) -> Iterator[Way]:
    with unreliable(diracx.url) as running:
        yield running


@pytest.fixture
def grid(diracx: Diracx, way: Way, site: Site) -> Iterator[Grid]:
    """It has a token file beside the job, as pilots of DiracX will have."""
    nowhere = JobRequirements(sites=("NOWHERE.None.xx",))
    credential = diracx.credential()
    settings = GridSettings(wire.Node(), requirements=nowhere, poll_interval=0.2)
    backend = DiracxBackend("diracx", DiracxSettings(diracx.url, credential, settings))
    group = new_id()
    manifest = wire.Manifest(new_id(), "x:1", group, "true", "file:///nowhere")
    [answer] = backend.submit([Submission(new_id(), group, [manifest])])
    assert isinstance(answer, Accepted)
    owner = DiracxClient(diracx.url, credential)
    until(lambda: "Waiting" in "".join(words for _, words in backend.history(answer.native_id)))
    for state in ("Matched", "Running"):
        now = datetime.now(UTC).isoformat()
        owner.call("PATCH", "/api/jobs/status", {answer.native_id: {now: {"Status": state}}})
    owner.close()
    site.node = wire.Node(runtimes=["none"], heartbeat=300.0)
    site.environment |= {
        "JOBID": answer.native_id,
        "DIRACX_URL": way.url,
        "DIRACX_CREDENTIALS_PATH": str(credential),
        "X509_USER_PROXY": str(site.root / "no-proxy"),
    }
    yield Grid(backend, answer.native_id, way, site)
    backend.close()


# --- the watchdog -------------------------------------------------------------------------------------


def test_the_watchdog_is_off_while_files_are_on_their_way_and_only_then(tmp_path: Path) -> None:
    switch, file = Switch(str(tmp_path)), tmp_path / NAME
    there = []
    for phase in ("probe", "inputs", "image", "run", "outputs", "deliver", ""):
        switch.phase(phase)
        there.append(file.exists())
    assert there == [False, True, True, False, False, True, False]


def test_a_watchdog_that_somebody_else_has_switched_off_stays_so(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    switch = Switch(str(tmp_path))
    for phase in ("inputs", "run", ""):
        switch.phase(phase)
    assert (tmp_path / NAME).exists()


def test_a_directory_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    Switch(str(tmp_path / "nowhere")).phase("inputs")


def test_a_job_of_dirac_switches_it_off_and_on(site: Site) -> None:
    """The tool sees it on; an input that takes its time sees it off. No file is left."""
    site.environment["JOBID"] = "7"
    file = site.root / NAME
    manifest = site.manifest(f"test ! -e {file}", inputs=[wire.Input("in", "http://127.0.0.1:9/x", "x")])
    slow = manifest._replace(transfers=wire.Transfers(rounds=50, budget=60.0))
    process = subprocess.Popen(site.command([slow]), env=site.environment, cwd=site.root)
    until(file.exists)
    process.terminate()
    process.wait()
    assert site.report(slow).failure == wire.CANCELLED
    done = site.manifest(f"test ! -e {file} && echo ok > o.txt", outputs=outputs(o="o.txt"))
    subprocess.run(site.command([done]), env=site.environment, cwd=site.root, check=True)
    assert site.report(done).outcome == wire.SUCCEEDED
    assert not file.exists()


def test_outside_of_dirac_there_is_no_such_file(site: Site) -> None:
    site.environment.pop("JOBID", None)
    manifest = site.manifest("sleep 1", inputs=[wire.Input("in", "http://127.0.0.1:9/x", "x")])
    quick = manifest._replace(transfers=wire.Transfers(rounds=2, budget=5.0))
    process = subprocess.Popen(site.command([quick]), env=site.environment, cwd=site.root)
    while process.poll() is None:
        assert not (site.root / NAME).exists()
        time.sleep(0.02)


# --- DiracX -------------------------------------------------------------------------------------------


@pytest.mark.service
@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.parent.parent.name)
def test_dirac_hears_what_a_job_does_and_how_it_ends(grid: Grid, python: Path) -> None:
    grid.site.python = python
    go_on = grid.site.root / "go-on"
    manifest = grid.site.manifest(f"until test -e {go_on}; do sleep 0.1; done")
    process = subprocess.Popen(grid.site.command([manifest]), env=grid.site.environment, cwd=grid.site.root)
    until(
        lambda: (
            ": fetching inputs, says boutiques-engine" in grid.story() or ": running the tool" in grid.story()
        )
    )
    go_on.touch()
    assert process.wait() == 0
    until(lambda: ": succeeded, says boutiques-engine" in grid.story())
    until(lambda: ["succeeded" in o.detail for o in grid.backend.observe([grid.id])] == [True])


@pytest.mark.service
def test_a_payload_ends_when_its_last_word_was_heard(grid: Grid) -> None:
    """A word that is still on its way when the site tells the end can undo that at the server (measured)."""
    grid.way.troubles.append(Trouble(path="/api/jobs/status", times=99, delay=1.0))
    grid.run(grid.site.manifest("true"))
    assert ": succeeded, says boutiques-engine" in grid.story()


@pytest.mark.service
def test_a_failure_is_told_by_its_class_and_nothing_of_the_user(grid: Grid) -> None:
    [report] = grid.run(grid.site.manifest("echo secret >&2; exit 3"))
    assert report.failure == wire.TOOL
    assert "secret" not in until(lambda: "failed (tool)" in (story := grid.story()) and story)


@pytest.mark.service
def test_many_short_jobs_are_told_of_in_few_requests(grid: Grid) -> None:
    grid.run(*(grid.site.manifest("true") for _ in range(12)))
    until(lambda: "12 of 12: succeeded" in grid.story())
    assert grid.way.count(STATUS) <= 4


@pytest.mark.service
def test_a_job_that_is_killed_hears_of_it_by_its_own_sign_of_life(grid: Grid) -> None:
    grid.site.node = grid.site.node._replace(heartbeat=1.1)
    manifest = grid.site.manifest("sleep 600")
    process = subprocess.Popen(grid.site.command([manifest]), env=grid.site.environment, cwd=grid.site.root)
    until(lambda: grid.way.count(HEARTBEAT))
    grid.backend.cancel([grid.id])
    process.wait()
    report = grid.site.report(manifest)
    assert (report.failure, report.message) == (wire.CANCELLED, "cancelled while the tool was running")


@pytest.mark.service
def test_no_token_and_no_client_means_no_word(grid: Grid) -> None:
    del grid.site.environment["DIRACX_CREDENTIALS_PATH"]
    grid.site.environment["PATH"] = "/usr/bin:/bin"
    assert grid.run(grid.site.manifest("true"))[0].outcome == wire.SUCCEEDED
    assert grid.way.seen == []


@pytest.mark.service
def test_it_can_be_switched_off(grid: Grid) -> None:
    grid.site.node = grid.site.node._replace(heartbeat=0.0)
    assert grid.run(grid.site.manifest("true"))[0].outcome == wire.SUCCEEDED
    assert grid.way.seen == []


@pytest.mark.service
@pytest.mark.parametrize(
    "trouble", [Trouble(times=99, status=500), Trouble(times=99, refuse=True), Trouble(times=99, status=401)]
)
def test_a_server_in_trouble_harms_no_job(grid: Grid, trouble: Trouble) -> None:
    grid.way.troubles.append(replace(trouble))
    manifest = grid.site.manifest("echo fine > o.txt", outputs=outputs(o="o.txt"))
    [report] = grid.run(manifest)
    assert report.outcome == wire.SUCCEEDED


def test_a_server_that_never_answers_keeps_no_job_waiting(site: Site, tmp_path: Path) -> None:
    token = tmp_path / "token.json"
    token.write_text(json.dumps({"access_token": "a.b.c", "expires_on": int(time.time()) + 3600}))
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        site.node = site.node._replace(heartbeat=1.1)
        site.environment |= {
            "JOBID": "7",
            "DIRACX_URL": f"http://127.0.0.1:{deaf.getsockname()[1]}",
            "DIRACX_CREDENTIALS_PATH": str(token),
        }
        manifest = site.manifest("true")
        subprocess.run(site.command([manifest]), env=site.environment, cwd=site.root, check=True)
        assert site.report(manifest).outcome == wire.SUCCEEDED
        # Whoever waits for the status reporter gives up soon after; nothing of it stays.
        until(lambda: not processes_of(site.root))


@pytest.mark.service
def test_a_session_is_never_renewed_from_a_node(grid: Grid) -> None:
    """Its refresh token is for one use, and not ours."""
    file = Path(grid.site.environment["DIRACX_CREDENTIALS_PATH"])
    file.write_text(json.dumps({**json.loads(file.read_text()), "expires_on": int(time.time()) + 5}))
    grid.run(grid.site.manifest("true"))
    until(lambda: not processes_of(grid.site.root))
    assert (grid.way.count(TOKEN), grid.way.count(STATUS)) == (0, 0)


@pytest.mark.service
@pytest.mark.parametrize("left", [5, 3600])
def test_a_token_in_a_proxy_will_do_and_is_renewed_when_it_is_old(grid: Grid, left: int) -> None:
    file = Path(grid.site.environment.pop("DIRACX_CREDENTIALS_PATH"))
    tokens = {**json.loads(file.read_text()), "expires_on": int(time.time()) + left}
    block = base64.encodebytes(json.dumps(tokens).encode()).decode()
    proxy = Path(grid.site.environment["X509_USER_PROXY"])
    proxy.write_text(f"-----BEGIN DIRACX-----\n{block}-----END DIRACX-----\n")
    url = grid.site.environment.pop("DIRACX_URL")
    grid.site.node = grid.site.node._replace(diracx=url)
    grid.run(grid.site.manifest("true"))
    until(lambda: "succeeded" in grid.story())
    assert grid.way.count(TOKEN) == (1 if left < 60 else 0)


@pytest.mark.service
@pytest.mark.parametrize("hours", [-2, 2])
def test_a_node_whose_clock_is_wrong_neither_outdates_nor_breaks_the_story(
    grid: Grid, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest stamp wins, and DiracX cannot read a story that begins with an application status."""

    class Wrong:
        @staticmethod
        def time() -> float:
            return time.time() + hours * 3600

    monkeypatch.setattr(diracx, "time", Wrong)
    found = credential.source(grid.site.environment, wire.Node())
    assert found is not None
    door = diracx.DiracX(found, grid.id)
    if hours < 0:
        with pytest.raises(Permanent, match="late"):
            door.say("from another time")
    else:
        door.say("from another time")
    stamps = [at for at, words in grid.backend.history(grid.id) if "another time, says boutiques" in words]
    assert len(stamps) == (1 if hours > 0 else 0)
    assert all(at < time.time() + 5.0 for at in stamps)


# --- DIRAC's client -----------------------------------------------------------------------------------

_STAND_IN = {
    "DIRAC/__init__.py": "def initialize():\n    pass\n",
    "DIRAC/WorkloadManagementSystem/__init__.py": "",
    "DIRAC/WorkloadManagementSystem/Client/__init__.py": "",
    "DIRAC/WorkloadManagementSystem/Client/JobReport.py": (
        "import os\n\n\nclass JobReport:\n"
        "    def __init__(self, job, source):\n        self.words = f'{job} {source}'\n\n"
        "    def setApplicationStatus(self, text):\n"
        "        with open(os.environ['TOLD'], 'a') as file:\n"
        "            print(self.words, text, file=file)\n"
        "        return {'OK': True}\n"
    ),
}
"""A stand-in for DIRAC's client, with the words of the real one (DIRAC 8 and 9)."""


@pytest.fixture
def installed(site: Site) -> Path:
    """A node with that client, and no token. Gives the file in which it notes what it is told."""
    programs = site.root / "client" / "bin"
    programs.mkdir(parents=True)
    for name, text in _STAND_IN.items():
        (site.root / "client" / name).parent.mkdir(parents=True, exist_ok=True)
        (site.root / "client" / name).write_text(text)
    (programs / "python").symlink_to(sys.executable)
    (programs / "dirac-proxy-info").write_text(f"#!{programs}/python\n")
    (programs / "dirac-proxy-info").chmod(0o755)
    told = site.root / "told"
    site.node = site.node._replace(heartbeat=300.0)
    site.environment |= {
        "JOBID": "42",
        "TOLD": str(told),
        "PYTHONPATH": str(site.root / "client"),
        "X509_USER_PROXY": str(site.root / "none"),
        "DIRACX_URL": "",
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    return told


def test_without_a_token_dirac_is_told_by_its_client(site: Site, installed: Path) -> None:
    by_path = programs.dirac_python(site.environment)
    bundled = programs.dirac_python({"DIRACOS": str(site.root / "client"), "PATH": "/usr/bin"})
    assert by_path == bundled == str(site.root / "client" / "bin" / "python")
    assert programs.dirac_python({"PATH": "/usr/bin:/bin"}) is None
    door = client.DiracClient(by_path, "42", site.environment)
    assert not door.say("running the tool")
    assert installed.read_text() == "42 boutiques-engine running the tool\n"
    with pytest.raises(ValueError, match="ended with"):
        client.DiracClient(by_path, "no number", site.environment).say("anything")


def test_the_status_reporter_of_a_long_job_uses_it(
    site: Site, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.DiracClient, "pause", 0.1)
    job = GridJob(site.node, str(site.root), site.environment)
    job.phase("", "run")
    assert until(
        lambda: installed.exists() and "42 boutiques-engine running the tool" in installed.read_text()
    )
    job.close()


def test_for_a_short_job_it_is_not_started(site: Site, installed: Path) -> None:
    manifest = site.manifest("true")
    subprocess.run(site.command([manifest]), env=site.environment, cwd=site.root, check=True)
    assert site.report(manifest).outcome == wire.SUCCEEDED
    until(lambda: not processes_of(site.root))
    assert not installed.exists()
