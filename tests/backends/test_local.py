"""The local back-end keeps the promises of every back-end, and those of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.backends.local import LocalBackend
from engine.backends.local_section import LocalSettings
from engine.domain.file_urls import to_url
from engine.errors import BackendUnavailable
from engine.ports import Backend, Seen
from engine.testing.contracts.backend import BackendContract
from wrappers.wire import Node

pytestmark = pytest.mark.whole


def stop_server(spool: Path) -> None:
    """End the serving wrapper of a test."""
    with suppress(FileNotFoundError, ProcessLookupError):
        os.kill(json.loads((spool / "server.json").read_text())["pid"], signal.SIGTERM)


class TestLocal(BackendContract):
    @pytest.fixture
    def spool(self, tmp_path: Path) -> Iterator[Path]:
        yield tmp_path / "spool"
        stop_server(tmp_path / "spool")

    @pytest.fixture
    def backend(self, tmp_path: Path, spool: Path) -> Backend:
        return LocalBackend("local", LocalSettings(spool, Node(slots=2, idle=5.0)))

    @pytest.fixture
    def outputs(self, tmp_path: Path) -> str:
        return to_url(tmp_path / "outputs")

    def test_jobs_go_on_when_the_server_is_killed_and_are_not_run_twice(
        self, backend: LocalBackend, spool: Path, outputs: str, tmp_path: Path
    ) -> None:
        counter, gate = tmp_path / "counter", tmp_path / "gate"
        held = f"echo once >> '{counter}'; until [ -e '{gate}' ]; do sleep 0.02; done"
        item = self.item(outputs, held)
        queued = [self.item(outputs, f"echo once >> '{counter}'") for _ in range(5)]
        ids = [self.start(backend, i) for i in (item, *queued)]
        self.wait(backend, ids[0], Seen.RUNNING)
        os.kill(json.loads((spool / "server.json").read_text())["pid"], signal.SIGKILL)
        gate.touch()
        for id_ in ids:
            self.wait(backend, id_, Seen.FINISHED)
        assert counter.read_text() == "once\n" * 6

    def test_a_job_whose_process_was_killed_is_unknown_and_not_finished(
        self, backend: LocalBackend, spool: Path, outputs: str
    ) -> None:
        id_ = self.start(backend, self.item(outputs, "sleep 600"))
        self.wait(backend, id_, Seen.RUNNING)
        os.kill(json.loads((spool / "jobs" / id_ / "started").read_text())["pid"], signal.SIGKILL)
        deadline = time.monotonic() + 20
        while backend.observe([id_]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(backend.observe([id_])) == []

    def test_two_engines_share_the_slots_of_the_machine(
        self, backend: LocalBackend, spool: Path, outputs: str, tmp_path: Path
    ) -> None:
        other = LocalBackend("local", LocalSettings(spool, Node(slots=2, idle=5.0)))
        log = tmp_path / "log"
        command = f"echo + >> '{log}'; sleep 0.3; echo - >> '{log}'"
        ids = [self.start(place, self.item(outputs, command)) for place in (backend, other) * 3]
        for id_ in ids:
            self.wait(backend, id_, Seen.FINISHED)
        at_once = highest = 0
        for sign in log.read_text().split():
            at_once += 1 if sign == "+" else -1
            highest = max(highest, at_once)
        assert highest == 2

    def test_a_spool_that_cannot_be_made_is_named_with_its_setting(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        backend = LocalBackend("local", LocalSettings(tmp_path / "file" / "spool", Node()))
        with pytest.raises(BackendUnavailable, match="ENGINE_BACKENDS__LOCAL__SPOOL"):
            backend.submit([self.item("file:///nowhere", "true")])

    def test_a_submission_that_did_not_fit_on_the_disk_is_taken_when_there_is_room_again(
        self, backend: LocalBackend, spool: Path, outputs: str
    ) -> None:
        self.wait(backend, self.start(backend, self.item(outputs, "true")), Seen.FINISHED)
        item = self.item(outputs, "true" + " " * 100_000)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(BackendUnavailable, match="File too large"):
                backend.submit([item])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.wait(backend, self.start(backend, item), Seen.FINISHED)

    def test_the_traceback_of_a_defect_comes_with_the_logs(
        self, backend: LocalBackend, spool: Path, outputs: str, tmp_path: Path
    ) -> None:
        item = self.item(outputs, "true")
        id_ = self.start(backend, item)
        self.wait(backend, id_, Seen.FINISHED)
        name = f"{item.manifests[0].attempt}.debug"
        (spool / "jobs" / id_ / name).write_text("Traceback\n")
        (tmp_path / "home").mkdir()
        backend.retrieve(id_, tmp_path / "home")
        assert (tmp_path / "home" / name).read_text() == "Traceback\n"

    def test_a_server_that_cannot_serve_is_told_with_its_log(
        self, backend: LocalBackend, spool: Path, outputs: str
    ) -> None:
        (spool / "lock").mkdir(parents=True)
        id_ = self.start(backend, self.item(outputs, "true"))
        deadline = time.monotonic() + 20
        with pytest.raises(BackendUnavailable, match=r"ended with exit code 74 .*server\.log says why"):
            while time.monotonic() < deadline:
                backend.observe([id_])
                time.sleep(0.05)
        assert "lock" in (spool / "server.log").read_text()
