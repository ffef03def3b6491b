"""What the pages of VIP's portal show of executions that it started here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import until
from tests.portal.house import COPIER, FAILER, WAITER
from tests.portal.vip.conftest import Behind
from tests.portal.vip.portal import PHASES, Task, VipPortal

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
    assert {one.phase for one in tasks} == {PHASES["Finished"]}
    for one in tasks:
        assert one.site
        assert one.node
        assert len(vip.node(id_, one.site, one.node)) == 6
    assert vip.sites(id_) == {tasks[0].site: 2}
    assert (vip.active(id_), vip.checkpoints(id_)) == ({}, 0)
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
    until(lambda: vip.processors(id_) == [("waiter", 0, 2, 0)])
    until(lambda: vip.active(id_) == {"RUNNING": 2})
    assert vip.workflow(id_) == ("Running", None)
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
    for word in ("REPLICATE", "UNHOLD_ERROR", "UNHOLD_STALLED", "KILL_REPLICA"):
        vip.send(id_, job(vip, id_, 0).id, word)
        until(lambda: job(vip, id_, 0).status == "RUNNING")
    vip.send(id_, job(vip, id_, 0).id, "RESCHEDULE")
    until(lambda: [one.status for one in vip.tasks(id_, 0)] == ["CANCELLED", "RUNNING"])
    assert job(vip, id_, 1).status == "RUNNING"
    vip.send(id_, job(vip, id_, 1).id, "KILL")
    until(lambda: job(vip, id_, 1).status == "CANCELLED")
    assert vip.workflow(id_) == ("Running", None)
    for word in ("KILL", "RESCHEDULE"):  # for jobs, or attempts, that have ended
        vip.send(id_, job(vip, id_, 1).id, word)
        vip.send(id_, vip.tasks(id_, 0)[0].id, word)
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


def test_a_job_that_has_not_begun_is_shown_and_can_be_killed(behind: Behind) -> None:
    vip = behind.vip
    running = [vip.launch(WAITER, {"gate": ["/nowhere"]}) for _ in range(3)]  # as many as may at a time
    waiting = vip.launch(WAITER, {"gate": ["/nowhere", "/nowhere/else"]})
    until(lambda: vip.states(waiting) == ["SUCCESSFULLY_SUBMITTED"] * 2)
    vip.send(waiting, job(vip, waiting, 1).id, "KILL")
    until(lambda: job(vip, waiting, 1).status == "CANCELLED")
    assert job(vip, waiting, 0).status == "SUCCESSFULLY_SUBMITTED"
    for id_ in (waiting, *running):
        vip.call("PUT", "/kill", {"workflowID": id_})
        assert ended(vip, id_) == "Killed"


def test_a_row_that_the_portal_writes_late_or_over_ours_is_completed(behind: Behind) -> None:
    vip = behind.vip
    id_ = vip.launch(FAILER, {"code": ["0"]}, row=False)
    until(lambda: vip.stats(id_))
    vip.write_row(id_, "failer")
    assert ended(vip, id_) == "Completed"


def test_a_portal_that_asks_for_executions_that_are_not_there_stops_nothing(behind: Behind) -> None:
    vip, trail = behind.vip, behind.house.desk.rows("audit")
    size = behind.house.log.stat().st_size
    id_ = vip.launch(FAILER, {"code": ["0"]})
    began = time.monotonic()
    names = [f"workflow-{n:06x}" for n in range(100)] + [f"01{n:024d}" for n in range(100)]
    assert {vip.call("GET", f"/status/{name}") for name in names} == {"UNKNOWN"}
    assert time.monotonic() - began < 60  # four seconds at 50 a second, on a machine that is busy
    assert ended(vip, id_) == "Completed"
    assert behind.house.log.stat().st_size - size < 5_000
    assert behind.house.desk.rows("audit") < trail + 20


def keeper(behind: Behind) -> int:
    """The process that keeps the tables."""
    tasks = Path(f"/proc/{behind.house.process.pid}/task").glob("*/children")
    children = [int(one) for task in tasks for one in task.read_text().split()]
    (process,) = [one for one in children if b"engine.vip" in Path(f"/proc/{one}/cmdline").read_bytes()]
    return process


def findings(behind: Behind) -> dict[str, list[tuple[str, str]]]:
    """What `engine doctor` says of the portal's tables: check -> verdicts and words."""
    ran = behind.house.desk.run("doctor", "--json", variables=dict(behind.house.variables))
    found: dict[str, list[tuple[str, str]]] = {}
    for one in ran.values:
        found.setdefault(one["check"], []).append((one["verdict"], one["message"].split()[0]))
    return found


def test_work_goes_on_while_the_databases_are_away_and_they_are_caught_up(
    behind: Behind, tmp_path: Path
) -> None:
    vip, gate = behind.vip, tmp_path / "gate"
    found: dict[str, list[tuple[str, str]]] = {}
    first = vip.launch(WAITER, {"gate": [str(gate)]})
    until(lambda: vip.states(first) == ["RUNNING"])
    vip.maria.stop()
    vip.h2.stop()
    try:
        second = vip.launch(FAILER, {"code": ["0", "1"]}, row=False)
        gate.touch()
        until(lambda: vip.call("GET", f"/status/{first}") == "COMPLETE")
        until(lambda: vip.call("GET", f"/status/{second}") == "FAILED")
        until(lambda: found.update(findings(behind)) or len(found["VIP's tables"]) == 2)
        assert {place for _, place in found["VIP's tables"]} == {"H2", "workflowsdb"}
        assert [found[check][0][0] for check in ("VIP's database", "VIP's H2 server")] == ["warning"] * 2
        vip.maria.start()
        vip.write_row(second, "failer")
        assert ended(vip, first) == "Completed"  # neither waits for the other
        assert ended(vip, second) == "Failed"
    finally:
        if vip.maria.process is None:
            vip.maria.start()
        vip.h2.start()
    until(lambda: vip.states(first) == ["COMPLETED"])
    until(lambda: vip.states(second) == ["COMPLETED", "ERROR"])
    until(lambda: [verdict for verdict, _ in findings(behind)["VIP's tables"]] == ["ok"])


def test_servers_that_take_connections_and_never_answer_stop_nothing(behind: Behind) -> None:
    vip, h2, maria = behind.vip, behind.vip.h2.process, behind.vip.maria.process
    assert h2 is not None
    assert maria is not None
    first = vip.launch(FAILER, {"code": ["0", "1"]})
    until(lambda: vip.states(first) == ["COMPLETED", "ERROR"])  # its database is open
    h2.send_signal(signal.SIGSTOP)
    try:
        second = vip.launch(FAILER, {"code": ["0"]})
        assert ended(vip, second) == "Completed"
        assert findings(behind)["VIP's H2 server"][0][0] == "warning"
    finally:
        h2.send_signal(signal.SIGCONT)
    until(lambda: vip.states(second) == ["COMPLETED"])
    maria.send_signal(signal.SIGSTOP)
    try:
        third = vip.launch(FAILER, {"code": ["0"]}, row=False)
        until(lambda: vip.states(third) == ["COMPLETED"])
    finally:
        maria.send_signal(signal.SIGCONT)
    vip.write_row(third, "failer")
    assert ended(vip, third) == "Completed"


def test_a_process_that_dies_is_started_again_and_goes_on(behind: Behind, tmp_path: Path) -> None:
    vip, gate = behind.vip, tmp_path / "gate"
    (behind.shared / "in.txt").write_text("content\n")
    cleaned = vip.launch(COPIER, {"file": [f"file:{behind.shared}/in.txt"]})
    assert ended(vip, cleaned) == "Completed"
    assert vip.outputs(cleaned)
    vip.sql("UPDATE Workflows SET status = 'Cleaned' WHERE id = %s", cleaned)
    vip.sql("DELETE FROM Outputs WHERE workflow_id = %s", cleaned)
    id_ = vip.launch(WAITER, {"gate": [str(gate), "/nowhere"]})
    until(lambda: vip.states(id_) == ["RUNNING", "RUNNING"])
    (behind.house.desk.home / ".local/state/boutiques-engine/vip.db").unlink()  # it remembers nothing
    os.kill(keeper(behind), signal.SIGKILL)
    vip.send(id_, job(vip, id_, 1).id, "KILL")
    gate.touch()
    assert ended(vip, id_) == "Failed"
    assert vip.states(id_) == ["COMPLETED", "CANCELLED"]
    assert vip.workflow(cleaned)[0] == "Cleaned"
    assert not vip.outputs(cleaned)


def test_values_and_paths_longer_than_columns_are_shown_as_far_as_they_fit(behind: Behind) -> None:
    vip, shared = behind.vip, behind.shared
    (shared / "in.txt").write_text("x")
    words = ["long" * 70 + end for end in ("a", "b")] + ["a=b c ?", "A"]
    places = {"d" * 200 + "/" + "e" * 200, "é" * 60 + "/" + "f" * 20}
    for place in places:
        values = {
            "file": [f"file:{shared}/in.txt"],
            "word": words,
            "results-directory": [f"file:{shared}/{place}"],
        }
        id_ = vip.launch(COPIER, values)
        assert ended(vip, id_) == "Completed"
        assert vip.states(id_) == ["COMPLETED"] * len(words)
        shown = {value for value, _ in vip.inputs(id_)["word"]}
        assert len(shown) == len(words)
        assert {"a=b c ?", "A"} <= shown
        paths = {path for _, path in vip.outputs(id_)}
        assert len(paths) == len(words)
        made = {f"file:{path}" for path in (shared / place).rglob("out.txt")}
        assert {path for path in made if len(path) <= 400} == paths & made
        assert all(len(path) == 400 for path in paths - made)


def test_no_token_is_shown(behind: Behind) -> None:
    vip = behind.vip
    (behind.shared / "in.txt").write_text("read\n")
    secret = "girder:/scan.nii?apiurl=https://127.0.0.1:9/api&fileId=1&token=HUSH"
    id_ = vip.launch(COPIER, {"file": [f"file:{behind.shared}/in.txt"], "word": [secret]})
    assert ended(vip, id_) == "Completed"
    rows = [str(row) for table in ("Inputs", "Outputs") for row in vip.sql(f"SELECT * FROM {table}")]
    rows += [str(row) for row in vip.h2_sql(id_, "SELECT * FROM Jobs")]
    assert not [row for row in rows if "HUSH" in row]
    for path in (vip.workflows / id_).rglob("*"):
        if path.is_file() and path.suffix != ".db" and ".app." not in path.name:
            assert b"HUSH" not in path.read_bytes(), path


def test_a_signal_that_nobody_has_read_yet_is_not_written_over(behind: Behind) -> None:
    vip, id_ = behind.vip, "0" * 26
    command = [sys.executable, "-m", "tests.portal.vip.race", f"127.0.0.1:{vip.h2.port}", str(vip.workflows)]
    writer = subprocess.Popen([*command, id_], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def say(line: str) -> Any:
        assert writer.stdin is not None
        assert writer.stdout is not None
        print(line, file=writer.stdin, flush=True)
        return json.loads(writer.stdout.readline())

    try:
        say("queued")
        vip.send(id_, "000001-1", "KILL")
        say("running")
        assert vip.states(id_) == ["KILL"]
        assert say("signals") == [["000001-1", "KILL"]]
        vip.send(id_, "000001-1", "RESCHEDULE")
        say("answer KILL RUNNING")  # it is not that one any more
        assert say("signals") == [["000001-1", "RESCHEDULE"]]
        say("answer RESCHEDULE RUNNING")
        say("cancelling")
        assert vip.states(id_) == ["KILL"]
        assert say("signals") == []  # this one is our own word
        say("cancelled")
        assert vip.states(id_) == ["CANCELLED"]
    finally:
        writer.kill()
        writer.communicate()
