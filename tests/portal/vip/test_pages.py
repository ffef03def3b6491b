"""What the pages of VIP's portal show of executions that it started here."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.desk import until
from tests.portal.house import COPIER, FAILER, WAITER
from tests.portal.vip.conftest import Behind
from tests.portal.vip.portal import Task, VipPortal

pytestmark = pytest.mark.service


def ended(vip: VipPortal, id_: str) -> str:
    """How an execution ended, when its tables say so."""
    until(lambda: vip.workflow(id_)[1] is not None and vip.workflow(id_)[0] != "Running")
    return vip.workflow(id_)[0]


def job(vip: VipPortal, id_: str, invocation: int) -> Task:
    """The newest attempt of a job, as the portal finds it."""
    return max(vip.tasks(id_, invocation), key=lambda task: task.creation)


def test_an_execution_is_shown_from_its_start_to_its_end(behind: Behind) -> None:
    vip, shared = behind.vip, behind.shared
    (shared / "in.txt").write_text("content\n")
    inputs = {
        "file": [f"file:{shared}/in.txt"],
        "word": ["a", "b"],
        "results-directory": [f"file:{shared}/results"],
    }
    id_ = vip.launch(COPIER, inputs)
    assert ended(vip, id_) == "Completed"
    assert vip.refresh(id_) == "Completed"
    assert vip.processors(id_) == [("copier", 2, 0, 0)]
    assert vip.inputs(id_) == {
        "file": {(f"file:{shared}/in.txt", "URI")},
        "word": {("a", "String"), ("b", "String")},
        "results-directory": {(f"file:{shared}/results", "URI")},
    }
    found = {path.removeprefix("file:") for output, path in vip.outputs(id_) if output == "copy"}
    assert {Path(path).read_text() for path in found} == {"content\na\n", "content\nb\n"}
    tasks = vip.tasks(id_)
    assert [(one.invocation, one.status, one.exit_code, one.command) for one in tasks] == [
        (0, "COMPLETED", 0, "copier"),
        (1, "COMPLETED", 0, "copier"),
    ]
    assert [one.parameters[-1] for one in tasks] == ["word=a", "word=b"]
    assert all(one.site and one.node for one in tasks)
    for one in tasks:
        assert vip.file(id_, f"out/{one.file_name}.sh.app.out") == "printed\n"
        assert vip.file(id_, f"err/{one.file_name}.sh.app.err") == "wrong\n"
        assert "cat" in vip.file(id_, f"sh/{one.file_name}.sh")
        assert vip.data(id_, one.file_name, "Input") == {f"file:{shared}/in.txt"}
        assert len(vip.data(id_, one.file_name, "Output")) == 1
    assert json.loads(vip.file(id_, "inputs")) == inputs
    assert len(list((vip.workflows / id_ / "provenance").glob("*.json"))) == 2
    assert all(seconds >= 0 for row in vip.times(id_) for seconds in row[1:])
    stats = vip.stats(id_)
    assert (stats["completed"], stats["failed_app"], stats["cancelled"]) == (2, 0, 0)


def test_what_fails_is_shown_with_the_codes_of_gasw_and_what_was_said(behind: Behind) -> None:
    vip = behind.vip
    id_ = vip.launch(FAILER, {"code": ["3", "0"]})
    assert ended(vip, id_) == vip.refresh(id_) == "Failed"
    assert vip.processors(id_) == [("failer", 1, 0, 1)]
    assert job(vip, id_, 1).status == "COMPLETED"
    failed = job(vip, id_, 0)
    assert (failed.status, failed.exit_code) == ("ERROR", 50)
    assert vip.file(id_, f"err/{failed.file_name}.sh.app.err") == "nothing\n"
    assert "3" in vip.file(id_, f"err/{failed.file_name}.sh.err")
    assert vip.stats(id_)["failed_app"] == len(vip.tasks(id_, 0))


def test_an_execution_that_is_killed_is_shown_so(behind: Behind) -> None:
    vip = behind.vip
    id_ = vip.launch(WAITER, {"gate": ["/nowhere", "/nowhere/else"]})
    until(lambda: "RUNNING" in vip.states(id_))
    assert vip.workflow(id_) == ("Running", None)
    ((_, completed, queued, failed),) = vip.processors(id_)
    assert (completed, queued, failed) == (0, 2, 0)
    vip.call("PUT", "/kill", {"workflowID": id_})
    assert ended(vip, id_) == "Killed"
    assert set(vip.states(id_)) == {"CANCELLED"}
    assert vip.processors(id_) == [("waiter", 0, 0, 2)]


def test_signals_of_the_portal_are_obeyed_and_those_without_a_meaning_leave_a_legal_state(
    behind: Behind, tmp_path: Path
) -> None:
    vip, gate, other = behind.vip, tmp_path / "gate", tmp_path / "other"
    id_ = vip.launch(WAITER, {"gate": [str(gate), str(other)]})
    until(lambda: vip.states(id_) == ["RUNNING", "RUNNING"])
    for signal in ("REPLICATE", "UNHOLD_ERROR", "UNHOLD_STALLED", "KILL_REPLICA"):
        vip.send(id_, job(vip, id_, 0).id, signal)
        until(lambda: job(vip, id_, 0).status == "RUNNING")
    vip.send(id_, job(vip, id_, 0).id, "RESCHEDULE")
    until(lambda: [one.status for one in vip.tasks(id_, 0)] == ["CANCELLED", "RUNNING"])
    assert job(vip, id_, 1).status == "RUNNING"
    vip.send(id_, job(vip, id_, 1).id, "KILL")
    until(lambda: job(vip, id_, 1).status == "CANCELLED")
    assert vip.workflow(id_) == ("Running", None)
    for signal in ("KILL", "RESCHEDULE"):  # for jobs, or attempts, that have ended
        vip.send(id_, job(vip, id_, 1).id, signal)
        vip.send(id_, vip.tasks(id_, 0)[0].id, signal)
        until(lambda: job(vip, id_, 1).status == "CANCELLED" == vip.tasks(id_, 0)[0].status)
    gate.touch()
    assert ended(vip, id_) == "Failed"
    assert [one.status for one in vip.tasks(id_)] == ["CANCELLED", "COMPLETED", "CANCELLED"]
    assert vip.processors(id_) == [("waiter", 1, 0, 1)]


def test_the_last_job_of_an_execution_can_be_scheduled_again(behind: Behind, tmp_path: Path) -> None:
    vip, gate = behind.vip, tmp_path / "gate"
    id_ = vip.launch(WAITER, {"gate": [str(gate)]})
    until(lambda: vip.states(id_) == ["RUNNING"])
    vip.send(id_, job(vip, id_, 0).id, "RESCHEDULE")
    until(lambda: vip.states(id_) == ["CANCELLED", "RUNNING"])
    until(lambda: vip.workflow(id_) == ("Running", None))
    gate.touch()
    assert ended(vip, id_) == "Completed"


def test_a_row_that_the_portal_writes_late_or_over_ours_is_completed(behind: Behind) -> None:
    vip = behind.vip
    id_ = vip.launch(FAILER, {"code": ["0"]}, row=False)
    until(lambda: vip.stats(id_))
    vip.write_row(id_, "failer")
    assert ended(vip, id_) == "Completed"


def test_a_portal_that_asks_for_executions_that_are_not_there_stops_nothing(behind: Behind) -> None:
    vip, trail = behind.vip, behind.house.engine("audit", "list").out.count("\n")
    size = behind.house.log.stat().st_size
    id_ = vip.launch(FAILER, {"code": ["0"]})
    began = time.monotonic()
    names = [f"workflow-{n:06x}" for n in range(100)] + [f"01{n:024d}" for n in range(100)]
    assert {vip.call("GET", f"/status/{name}") for name in names} == {"UNKNOWN"}
    assert time.monotonic() - began < 60  # four seconds at 50 a second, on a machine that is busy
    assert ended(vip, id_) == "Completed"
    assert behind.house.log.stat().st_size - size < 5_000
    assert behind.house.engine("audit", "list").out.count("\n") <= trail + 2
