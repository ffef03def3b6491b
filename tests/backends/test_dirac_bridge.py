"""The process in DIRAC's own Python: what it is told, what it prints, how it dies. The script is the real
one; the package DIRAC is a stand-in (`tests/services/dirac_stand_in`): a real one does not fail on demand.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.backends.dirac.backend import DiracBackend, DiracSettings
from engine.backends.dirac.submit import requests
from engine.backends.wms import watch
from engine.backends.wms.backend import Described
from engine.backends.wms.jdl import JobRequirements, attributes, parametric
from engine.backends.wms.settings import GridSettings
from engine.dirac.client import DiracBridge
from engine.dirac.settings import DiracClientSettings
from engine.errors import BackendUnavailable, CredentialExpired, SettingsError, Unavailable
from engine.ids import new_id
from engine.ports import Accepted, Rejected, Seen, Submission
from wrappers.dirac_bridge.answers import kind_of
from wrappers.wire import Manifest, Node

pytestmark = pytest.mark.whole

STAND_IN = Path(__file__).resolve().parents[1] / "services" / "dirac_stand_in"
ALWAYS = 300.0
"""Seconds: more than a loaded machine needs."""

Source = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Writes a file to source that makes an environment with the stand-in."""

    def write(**variables: str) -> Path:
        file = tmp_path / "a dir; $(false)" / "diracosrc"
        file.parent.mkdir(exist_ok=True)
        every = {"PYTHONPATH": str(STAND_IN), "STAND_IN_STATE": str(tmp_path / "state"), **variables}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in every.items()]
        file.write_text("\n".join(["echo a banner", *lines, ""]))
        return file

    return write


@pytest.fixture
def bridge(source: Source) -> Iterator[DiracBridge]:
    made = DiracBridge(DiracClientSettings((sys.executable,), source()))
    yield made
    made.close()


def rows(bridge: DiracBridge, group: str, patience: float = ALWAYS) -> Any:
    return bridge.ask("active", timeout=patience, groups=[group], states=["Waiting"])


# --- how it is started ----------------------------------------------------------------------------------


def test_a_python_without_dirac_is_told_with_the_setting() -> None:
    bridge = DiracBridge(DiracClientSettings((sys.executable,)))
    with pytest.raises(
        SettingsError, match=r"setting command of a dirac back-end: this Python .* has no DIRAC"
    ):
        bridge.ask("whoami")


def test_a_program_that_is_not_there_is_told_with_the_setting() -> None:
    bridge = DiracBridge(DiracClientSettings(("/nowhere/python",)))
    with pytest.raises(
        SettingsError, match=r"setting command of a dirac back-end: /nowhere/python cannot be started"
    ):
        bridge.ask("whoami")


def test_a_file_to_source_that_is_not_there_is_told_with_the_setting(tmp_path: Path) -> None:
    bridge = DiracBridge(DiracClientSettings((sys.executable,), tmp_path / "diracosrc"))
    with pytest.raises(SettingsError, match=r"setting diracosrc of a dirac back-end: .* is no file"):
        bridge.ask("whoami")


def test_a_file_to_source_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    file = tmp_path / "diracosrc"
    file.write_text("echo cvmfs is not mounted >&2\nreturn 4\n")
    bridge = DiracBridge(DiracClientSettings((sys.executable,), file))
    with pytest.raises(SettingsError, match="cannot be sourced: cvmfs is not mounted"):
        bridge.ask("whoami")


def test_the_environment_is_that_of_the_file_and_not_ours(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_START", "denied")
    bridge = DiracBridge(DiracClientSettings((sys.executable,), source()))
    try:
        assert bridge.version() == "8.0.stand-in"
    finally:
        bridge.close()


def test_without_a_proxy_whoever_asks_learns_how_to_log_in(source: Source) -> None:
    bridge = DiracBridge(DiracClientSettings((sys.executable,), source(STAND_IN_START="denied")))
    with pytest.raises(CredentialExpired, match=r"no proxy was found.*engine login"):
        bridge.ask("whoami")


def test_a_client_that_dies_at_its_start_leaves_its_last_words(source: Source) -> None:
    bridge = DiracBridge(DiracClientSettings((sys.executable,), source(STAND_IN_START="dies")))
    with pytest.raises(Unavailable, match=r"exit code 3: Fatal: cannot open libstand_in\.so"):
        bridge.ask("whoami")


# --- how it answers -------------------------------------------------------------------------------------


def test_what_dirac_prints_is_no_answer(bridge: DiracBridge) -> None:
    assert bridge.ask("whoami")["owner"] == "alice"
    assert rows(bridge, "quiet") == []


def test_a_question_that_hangs_does_not_hold_up_the_others(bridge: DiracBridge) -> None:
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(rows, bridge, "hangs", 10.0)
        assert rows(bridge, "quiet") == []
        with pytest.raises(Unavailable, match="took more than 10 s"):
            hung.result()
    assert rows(bridge, "quiet") == []


def test_a_client_that_says_nothing_any_more_is_started_again(bridge: DiracBridge) -> None:
    assert rows(bridge, "quiet") == []
    with pytest.raises(Unavailable, match="took more than 1 s"):
        rows(bridge, "hangs", 1.0)
    assert rows(bridge, "quiet") == []


def test_a_client_that_dies_over_a_question_is_started_again(bridge: DiracBridge) -> None:
    with pytest.raises(Unavailable, match="has ended with exit code 9"):
        rows(bridge, "dies")
    assert rows(bridge, "quiet") == []


def test_a_client_that_is_killed_is_started_again(bridge: DiracBridge) -> None:
    bridge.version()
    process = bridge._process
    assert process is not None
    os.killpg(process._process.pid, signal.SIGKILL)
    process._process.wait()
    with pytest.raises(Unavailable):
        while True:  # until it is noticed: a request may be written to a pipe that nobody reads
            rows(bridge, "dies")
    assert rows(bridge, "quiet") == []


def test_what_dirac_raises_is_told(bridge: DiracBridge) -> None:
    with pytest.raises(Unavailable, match="active: KeyError: 'Value'"):
        rows(bridge, "raises")


def test_who_is_not_allowed_learns_how_to_log_in(bridge: DiracBridge) -> None:
    with pytest.raises(CredentialExpired, match="Unauthorized query"):
        rows(bridge, "unauthorised")


def test_a_service_that_cannot_be_reached_is_for_later(bridge: DiracBridge) -> None:
    with pytest.raises(Unavailable, match="Cannot connect"):
        rows(bridge, "away")


@pytest.mark.parametrize(
    ("result", "judged", "kind"),
    [
        ({"Errno": 1501}, False, "refused"),
        ({"Errno": 1503}, True, "refused"),
        ({"Errno": 1102, "CallStack": []}, True, "credential"),
        ({"Errno": 13}, False, "credential"),
        ({"Errno": 2}, False, "absent"),
        ({"Errno": 1131}, True, "unavailable"),
        ({"Errno": 0}, True, "refused"),
        ({"Errno": 0, "CallStack": ["here"]}, True, "unavailable"),
        ({"Errno": 0}, False, "unavailable"),
        ({}, False, "unavailable"),
    ],
)
def test_errors_of_dirac_say_what_to_do_next(result: dict[str, Any], judged: bool, kind: str) -> None:
    assert kind_of({"OK": False, "Message": "", **result}, judged) == kind


# --- what is submitted ----------------------------------------------------------------------------------


def described(key: str, place: int, **needs: int) -> Described:
    text = attributes(key, "g", ["SB:SE|/x"], (place, 1), needs, JobRequirements())
    return Described(key, "g", text, (place, 1))


def test_jobs_that_are_alike_go_together_and_others_do_not() -> None:
    items = [described(f"a{n}", n) for n in range(5)] + [described("b", 5, MaxRAM=5)]
    assert [request.keys for request in requests(items, 3)] == [("a0", "a1", "a2"), ("a3", "a4"), ("b",)]
    assert [len(request.keys) for request in requests(items, 1)] == [1] * 6


def test_dirac_reads_parametric_jobs_as_they_were_meant() -> None:
    from DIRACCommon.Core.Utilities.ClassAd.ClassAdLight import ClassAd
    from DIRACCommon.WorkloadManagementSystem.Utilities.ParametricJob import generateParametricJobs

    common = attributes("x", "g", ["SB:SE|/x"], (0, 1), {"CPUTime": 5}, JobRequirements(tags=("GPU",)))
    jdl = parametric(common, ["first", "second"], [(0, 1), (7, 3)])
    jobs = [ClassAd(text) for text in generateParametricJobs(ClassAd(jdl))["Value"]]
    assert [job.getAttributeString("JobName") for job in jobs] == ["first", "second"]
    assert [job.getAttributeString("Arguments").split(" --index ")[1] for job in jobs] == [
        "0 --count 1",
        "7 --count 3",
    ]
    assert {job.getAttributeString("Arguments").split(" --index ")[0] for job in jobs} == {
        "run --manifests manifests.jsonl --node node.json --claims claims.json"
    }
    assert [job.getListFromExpression("Tags") for job in jobs] == [["GPU"], ["GPU"]]


@pytest.fixture
def backend(source: Source) -> Iterator[DiracBackend]:
    made = DiracBackend(
        "dirac", DiracSettings(DiracClientSettings((sys.executable,), source()), GridSettings(Node()))
    )
    yield made
    made.close()


def items(*keys: str) -> list[Submission]:
    return [Submission(key, "g", [Manifest(new_id(), "x:1", "x", "true", "file:///x")]) for key in keys]


def test_a_bad_item_does_not_sink_the_batch(backend: DiracBackend) -> None:
    answers = backend.submit(items("one", "bad", "two"))
    assert isinstance(answers[1], Rejected)
    assert "a name in it is bad" in answers[1].reason
    assert [type(answer) for answer in answers] == [Accepted, Rejected, Accepted]


def test_jobs_whose_answer_was_lost_are_found_and_confirmed(backend: DiracBackend, tmp_path: Path) -> None:
    answers = backend.submit(items("lost1", "lost2"))
    assert [a.native_id for a in answers if isinstance(a, Accepted)] == ["1", "2"]
    assert backend.submit(items("lost1", "lost2")) == answers
    assert (tmp_path / "state").read_text().count("Received") == 2


def test_jobs_whose_sandbox_is_refused_are_refused_and_no_others(backend: DiracBackend) -> None:
    [small] = items("small")
    large = replace(small, key="large", execution="h", files={"large": b""})
    answers = backend.submit([large, small])
    assert [type(answer) for answer in answers] == [Rejected, Accepted]
    assert "Size over the limit" in getattr(answers[0], "reason", "")


def test_what_is_told_in_several_pages_is_put_together_and_compared(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PAGE", 2)
    settings = DiracSettings(
        DiracClientSettings((sys.executable,), source()), GridSettings(Node(), poll_interval=0.01)
    )
    backend, late_engine = (DiracBackend("dirac", settings) for _ in range(2))
    state = tmp_path / "state"
    try:
        batch = items("one", "two", "three", "four", "five")
        ids = [answer.native_id for answer in backend.submit(batch) if isinstance(answer, Accepted)]
        copies = [a.native_id for a in late_engine.submit(batch[3:]) if isinstance(a, Accepted)]
        jobs = json.loads(state.read_text())
        jobs[ids[0]]["Status"] = "Running"
        del jobs[ids[1]]  # an administrator did that
        state.write_text(json.dumps(jobs))
        expected = {ids[0]: Seen.RUNNING, **dict.fromkeys(ids[2:], Seen.QUEUED)}
        told, deadline = dict[str, Seen](), time.monotonic() + ALWAYS
        while _statuses(state, copies) != {"Killed"} and time.monotonic() < deadline:
            told = {o.native_id: o.seen for o in backend.observe(ids)}
            time.sleep(0.02)
        assert told == expected
        assert "Killed" not in _statuses(state, list(expected))
    finally:
        backend.close()


def _statuses(state: Path, ids: list[str]) -> set[str]:
    jobs = json.loads(state.read_text())
    return {jobs[id_]["Status"] for id_ in ids}


def test_a_back_end_for_another_group_than_the_proxy_says_so(source: Source) -> None:
    settings = DiracSettings(
        DiracClientSettings((sys.executable,), source()), GridSettings(Node(), group="other")
    )
    backend = DiracBackend("dirac", settings)
    try:
        with pytest.raises(CredentialExpired, match="for group biomed_user, not other"):
            backend.check()
    finally:
        backend.close()


def test_a_client_that_cannot_be_started_pauses_the_back_end_and_loses_nothing(source: Source) -> None:
    backend = DiracBackend(
        "dirac", DiracSettings(DiracClientSettings(("/nowhere/python",)), GridSettings(Node()))
    )
    with pytest.raises(SettingsError):
        backend.check()
    with pytest.raises(BackendUnavailable, match="setting command of a dirac back-end"):
        backend.observe(["1"])
