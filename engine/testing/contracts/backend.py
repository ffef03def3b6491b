"""What a back-end promises, as a test class: inherit, give the fixtures, and it is tested."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import pytest

from engine.ids import new_id
from engine.ports import Accepted, Backend, Observation, Seen, Submission
from engine.testing.contracts.end_point import end_point
from wrappers import wire
from wrappers.wire import Input, Manifest, Output, Report


class BackendContract(ABC):
    """Promises of `engine.ports.Backend`."""

    patience = 60.0
    """Seconds within which a trivial submission ends there."""

    shows_logs = True
    """Whether logs can be read while they are written."""

    reports_cancelled = True
    """Whether the report of a cancelled job comes home: DIRAC's own job wrapper brings nothing back then."""

    reaches_loopback = True
    """Whether its jobs run where the tests do: they can connect to servers of 127.0.0.1."""

    @abstractmethod
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        """Make a back-end that is ready to work."""

    @abstractmethod
    @pytest.fixture
    def outputs(self, tmp_path: Path) -> str:
        """URL of a directory to which the jobs may write."""

    def item(self, outputs: str, *commands: str, key: str = "", execution: str = "contract") -> Submission:
        """Make a submission with one attempt for each command line."""
        manifests = [
            Manifest(
                attempt=new_id(),
                job="contract:1",
                execution="contract",
                command=command,
                outputs_to=f"{outputs}/{n}",
                runtimes=["none"],
                outputs=[Output("out", "out.txt", optional=True)],
            )
            for n, command in enumerate(commands)
        ]
        return Submission(key or new_id(), execution, manifests)

    def start(self, backend: Backend, item: Submission) -> str:
        """Submit one item; its native id."""
        [answer] = backend.submit([item])
        assert isinstance(answer, Accepted)
        return answer.native_id

    def wait(self, backend: Backend, native_id: str, *wanted: Seen) -> Observation:
        """Look until it is in one of these states."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            for seen in backend.observe([native_id]):
                if seen.seen in wanted:
                    return seen
            time.sleep(min(backend.capabilities.poll_interval, 1.0))
        raise AssertionError(f"{native_id} was not {wanted} within {self.patience} s")

    def reports(self, backend: Backend, native_id: str, into: Path) -> dict[str, Report]:
        """Read the reports of a finished submission by attempt."""
        files = backend.retrieve(native_id, into)
        found = [wire.loads(Report, f.read_text()) for f in files if f.name.endswith(".report.json")]
        return {report.attempt: report for report in found}

    def test_what_is_submitted_runs_and_reports(self, backend: Backend, outputs: str, tmp_path: Path) -> None:
        item = self.item(outputs, "echo hello; echo trouble >&2; echo result > out.txt")
        native_id = self.start(backend, item)
        self.wait(backend, native_id, Seen.FINISHED)
        (tmp_path / "into").mkdir()
        reports = self.reports(backend, native_id, tmp_path / "into")
        [manifest] = item.manifests
        report = reports[manifest.attempt]
        assert (report.outcome, report.exit_code) == ("succeeded", 0)
        assert report.manifest_sha256 == wire.digest(manifest)
        assert [p.path for p in report.products] == ["out.txt"]
        assert (tmp_path / "into" / f"{manifest.attempt}.out").read_text() == "hello\n"
        assert (tmp_path / "into" / f"{manifest.attempt}.err").read_text() == "trouble\n"

    def test_files_of_a_submission_come_with_it(self, backend: Backend, outputs: str, tmp_path: Path) -> None:
        sha256 = hashlib.sha256(b"travelled").hexdigest()
        wanted = Input("in", f"{wire.SANDBOX}{sha256}", "in.txt", sha256=sha256)
        item = self.item(outputs, "cat in.txt")
        manifests = [manifest._replace(inputs=[wanted]) for manifest in item.manifests]
        item = replace(item, manifests=manifests, files={wire.travelling(wanted): b"travelled"})
        native_id = self.start(backend, item)
        self.wait(backend, native_id, Seen.FINISHED)
        report = self.reports(backend, native_id, tmp_path)[manifests[0].attempt]
        assert [staged.url for staged in report.inputs] == [wanted.url], report
        assert (tmp_path / f"{report.attempt}.out").read_bytes() == b"travelled"

    def test_the_claim_of_each_attempt_comes_with_it(
        self, backend: Backend, outputs: str, tmp_path: Path
    ) -> None:
        if not self.reaches_loopback:
            pytest.skip("its jobs cannot reach the end point of this test")
        with end_point() as point:
            item = self.item(outputs, "true", "true")
            wanted = [Input("in", "s3://bucket/key", "in.txt")]  # which nothing but a grant opens
            manifests = [one._replace(inputs=wanted, exchange=point.url) for one in item.manifests]
            claims = {one.attempt: f"{one.attempt}.a-secret-of-the-test" for one in manifests}
            native_id = self.start(backend, replace(item, manifests=manifests, claims=claims))
            self.wait(backend, native_id, Seen.FINISHED)
        assert set(point.claims) == set(claims.values()), "each file ATTEMPT.claim is to lie in --into"
        for path in backend.retrieve(native_id, tmp_path):
            assert b"a-secret-of-the-test" not in path.read_bytes(), path.name

    def test_all_small_files_of_an_attempt_come_home(
        self, backend: Backend, outputs: str, tmp_path: Path
    ) -> None:
        item = self.item(outputs, "echo result > out.txt")
        [manifest] = item.manifests
        debug = f"{manifest.attempt}.debug"  # as if the wrapper had failed and gone on
        item = replace(
            item, manifests=[manifest._replace(outputs_to=wire.SANDBOX)], files={debug: b"a traceback"}
        )
        native_id = self.start(backend, item)
        self.wait(backend, native_id, Seen.FINISHED)
        brought = {path.name.partition(".")[2] for path in backend.retrieve(native_id, tmp_path)}
        assert brought >= {"report.json", "out", "err", "debug", "results.tar"}
        assert (tmp_path / debug).read_bytes() == b"a traceback"

    def test_each_attempt_of_a_group_reports_for_itself(
        self, backend: Backend, outputs: str, tmp_path: Path
    ) -> None:
        item = self.item(outputs, "true", "exit 3", "true")
        native_id = self.start(backend, item)
        self.wait(backend, native_id, Seen.FINISHED)
        reports = self.reports(backend, native_id, tmp_path)
        assert [reports[m.attempt].exit_code for m in item.manifests] == [0, 3, 0]

    def test_what_was_accepted_is_found_again_by_its_key(self, backend: Backend, outputs: str) -> None:
        item = self.item(outputs, "true")
        native_id = self.start(backend, item)
        deadline = time.monotonic() + backend.capabilities.visibility_delay
        while (
            item.key not in (found := backend.find(item.execution, [item.key]))
            and time.monotonic() < deadline
        ):
            time.sleep(0.5)
        assert list(found[item.key]) == [native_id]

    def test_a_place_that_takes_jobs_says_nothing_when_it_is_checked(self, backend: Backend) -> None:
        backend.check()
        backend.check()

    def test_a_key_that_was_never_submitted_is_not_found(self, backend: Backend) -> None:
        assert not backend.find("contract", [new_id()])

    def test_the_same_key_again_is_the_same_job(self, backend: Backend, outputs: str, tmp_path: Path) -> None:
        counter = tmp_path / "counter"
        counter.touch()
        counter.chmod(0o666)
        item = self.item(outputs, f"echo once >> '{counter}'")
        first, second = self.start(backend, item), self.start(backend, item)
        assert first == second
        self.wait(backend, first, Seen.FINISHED)
        third = self.start(backend, item)
        self.wait(backend, third, Seen.FINISHED)
        assert counter.read_text() == "once\n"

    def test_an_unknown_id_is_absent_and_not_finished(self, backend: Backend) -> None:
        assert list(backend.observe([new_id()])) == []

    def test_a_cancelled_job_ends_and_says_so(self, backend: Backend, outputs: str, tmp_path: Path) -> None:
        item = self.item(outputs, "sleep 600")
        native_id = self.start(backend, item)
        self.wait(backend, native_id, Seen.RUNNING)
        backend.cancel([native_id])
        backend.cancel([native_id])
        self.wait(backend, native_id, Seen.FINISHED)
        if not self.reports_cancelled:
            return
        [report] = self.reports(backend, native_id, tmp_path).values()
        assert (report.outcome, report.failure) == ("failed", "cancelled")

    def test_cancelling_what_is_unknown_or_over_is_fine(self, backend: Backend, outputs: str) -> None:
        native_id = self.start(backend, self.item(outputs, "true"))
        self.wait(backend, native_id, Seen.FINISHED)
        backend.cancel([native_id, new_id()])
        assert self.wait(backend, native_id, Seen.FINISHED)

    def test_what_is_forgotten_is_gone_and_may_be_forgotten_twice(
        self, backend: Backend, outputs: str
    ) -> None:
        native_id = self.start(backend, self.item(outputs, "true"))
        self.wait(backend, native_id, Seen.FINISHED)
        backend.forget([native_id])
        backend.forget([native_id, new_id()])

    def test_a_log_can_be_read_while_it_is_written(self, backend: Backend, outputs: str) -> None:
        item = self.item(outputs, "echo first; sleep 600")
        native_id = self.start(backend, item)
        if not self.shows_logs:
            assert backend.log(native_id, f"{item.manifests[0].attempt}.out", 0) == b""
            backend.cancel([native_id])
            return
        name = f"{item.manifests[0].attempt}.out"
        deadline = time.monotonic() + self.patience
        while not backend.log(native_id, name, 0) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert backend.log(native_id, name, 0) == b"first\n"
        assert backend.log(native_id, name, 6) == b""
        backend.cancel([native_id])
        self.wait(backend, native_id, Seen.FINISHED)
