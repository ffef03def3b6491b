"""Trouble on the way to DiracX, and in it: no job is lost or doubled, and the words are clear."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.backends.diracx import answers, sandbox, search
from engine.backends.diracx.answers import DiracxRefused
from engine.backends.diracx.backend import DiracxBackend, DiracxSettings
from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.submit import submit
from engine.backends.wms.backend import Described
from engine.backends.wms.jdl import JobRequirements, job_group
from engine.backends.wms.payload import PayloadArchive
from engine.backends.wms.settings import GridSettings
from engine.errors import BackendUnavailable, CredentialExpired
from engine.ids import new_id
from engine.ports import Accepted, Rejected, Seen, Submission
from tests.services.diracx import Diracx, start_diracx
from tests.services.unreliable import Trouble, Way, unreliable
from wrappers.wire import Manifest, Node

pytestmark = pytest.mark.service

JDL, SEARCH, STATUS = "/api/jobs/jdl", "/api/jobs/search", "/api/jobs/status"
NOWHERE = JobRequirements(sites=("NOWHERE.None.xx",))
"""These jobs are to wait."""


@pytest.fixture
def way(diracx: Diracx) -> Iterator[Way]:
    """An unreliable way to the server."""
    with unreliable(diracx.url) as running:
        yield running


@pytest.fixture
def settings(diracx: Diracx, way: Way) -> DiracxSettings:
    grid = GridSettings(Node(), requirements=NOWHERE, poll_interval=0.1, settled_after=0.5)
    return DiracxSettings(way.url, diracx.credential(), grid)


def with_grid(settings: DiracxSettings, **more: Any) -> DiracxSettings:
    return replace(settings, grid=replace(settings.grid, **more))


@pytest.fixture
def backend(settings: DiracxSettings) -> Iterator[DiracxBackend]:
    backend = DiracxBackend("diracx", settings)
    backend.check()
    yield backend
    backend.close()


def items(number: int = 3, group: str = "") -> list[Submission]:
    group = group or new_id()
    return [
        Submission(new_id(), group, [Manifest(new_id(), "x:1", group, "true", "file:///nowhere")])
        for _ in range(number)
    ]


def names(server: Diracx, group: str) -> list[str]:
    """The names of all jobs of an execution, as the server has them."""
    with sqlite3.connect(server.directory / "db" / "jobdb.db") as connection:
        rows = connection.execute("SELECT JobName FROM Jobs WHERE JobGroup = ?", [job_group(group)])
        found = sorted(name for (name,) in rows)
    connection.close()
    return found


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def states(backend: DiracxBackend, ids: list[str]) -> dict[str, Seen]:
    return {o.native_id: o.seen for o in backend.observe(ids)}


def waiting(backend: DiracxBackend, ids: list[str]) -> None:
    """The optimizer is done with them: DiracX lets it overwrite what it is told meanwhile (not compared;
    the engine asks again).
    """
    assert until(lambda: all(o.detail.startswith("Waiting") for o in backend.observe(ids)))


def accepted(backend: DiracxBackend, batch: list[Submission]) -> list[str]:
    answers = backend.submit(batch)
    ids = [answer.native_id for answer in answers if isinstance(answer, Accepted)]
    assert len(ids) == len(batch) > 0, answers
    return ids


# --- the way ----------------------------------------------------------------------------------------


def test_a_server_that_is_down_is_unavailable_and_named(settings: DiracxSettings) -> None:
    backend = DiracxBackend("diracx", replace(settings, url="http://127.0.0.1:9"))
    with pytest.raises(BackendUnavailable, match=r"DiracX at http://127\.0\.0\.1:9 does not answer"):
        backend.check()
    with pytest.raises(BackendUnavailable):
        backend.submit(items())
    with pytest.raises(BackendUnavailable):
        backend.observe(["1"])
    backend.close()


def test_an_address_that_is_no_diracx_is_told_so(settings: DiracxSettings, way: Way) -> None:
    way.troubles.append(Trouble("/.well-known", times=9, status=404))
    backend = DiracxBackend("diracx", settings)
    with pytest.raises(BackendUnavailable, match="does not answer"):
        backend.check()
    backend.close()


def test_a_server_that_is_too_slow_is_unavailable(settings: DiracxSettings, way: Way) -> None:
    client = DiracxClient(way.url, settings.credential, timeout=0.5)
    client.call("GET", "/api/auth/userinfo")
    way.troubles.append(Trouble("/api/auth/userinfo", times=2, delay=3.0))
    with pytest.raises(BackendUnavailable):
        client.call("GET", "/api/auth/userinfo")
    client.close()


@pytest.mark.parametrize(
    ("status", "after", "again_in"),
    [(503, "7", 7.0), (502, "", 0.0), (500, "", 0.0), (429, "30", 30.0), (507, "", 0.0)],
)
def test_a_failing_server_may_say_when_to_come_back(
    backend: DiracxBackend, way: Way, status: int, after: str, again_in: float
) -> None:
    way.troubles.append(Trouble("/api/auth/userinfo", status=status, retry_after=after, detail="on fire"))
    with pytest.raises(BackendUnavailable, match="on fire") as caught:
        backend.check()
    assert caught.value.again_in == again_in
    backend.check()


def test_a_submission_that_failed_with_503_is_not_repeated_behind_our_back(
    backend: DiracxBackend, way: Way, diracx: Diracx
) -> None:
    way.troubles.append(Trouble(JDL, status=503, retry_after="1"))
    batch = items()
    with pytest.raises(BackendUnavailable):
        backend.submit(batch)
    assert way.count(f"POST {JDL}") == 1
    assert names(diracx, batch[0].execution) == []


def test_jobs_whose_answer_was_cut_off_are_found_and_not_doubled(
    backend: DiracxBackend, way: Way, diracx: Diracx
) -> None:
    way.troubles.append(Trouble(JDL, cut=True))
    batch = items(25)
    ids = accepted(backend, batch)
    assert len(set(ids)) == 25
    assert names(diracx, batch[0].execution) == sorted(item.key for item in batch)


def test_when_even_looking_for_them_fails_the_next_engine_finds_them(
    backend: DiracxBackend, settings: DiracxSettings, way: Way, diracx: Diracx
) -> None:
    way.troubles += [Trouble(JDL, cut=True), Trouble(SEARCH, times=2, refuse=True)]
    batch = items()
    with pytest.raises(BackendUnavailable):
        backend.submit(batch)
    other = DiracxBackend("diracx", settings)
    found = other.find(batch[0].execution, [item.key for item in batch])
    assert sorted(found) == names(diracx, batch[0].execution) == sorted(item.key for item in batch)
    other.close()


def test_a_connection_that_breaks_while_asking_is_made_again(backend: DiracxBackend, way: Way) -> None:
    ids = accepted(backend, items())
    way.troubles += [Trouble(SEARCH, refuse=True), Trouble("/api/jobs/summary", refuse=True)]
    assert until(lambda: set(states(backend, ids).values()) == {Seen.QUEUED})


@pytest.mark.parametrize("status", [200, 201, 202])
def test_every_success_is_one_whatever_the_version_of_the_server(
    backend: DiracxBackend, way: Way, diracx: Diracx, status: int
) -> None:
    way.troubles.append(Trouble(JDL, becomes=status))
    batch = items()
    assert len(accepted(backend, batch)) == len(names(diracx, batch[0].execution)) == 3


# --- what the server refuses ------------------------------------------------------------------------


def test_one_bad_description_does_not_sink_the_others(settings: DiracxSettings) -> None:
    client = DiracxClient(settings.url, settings.credential)
    group = job_group(new_id())

    def described(name: str, **more: str) -> Described:
        return Described(name, group, {"JobName": name, "Executable": "x", **more}, (0, 1))

    good = [described(f"good-{n}") for n in range(20)]
    bad = described("bad", JobType="Nonsense")
    outcome = client.run(submit(client, [*good[:7], bad, *good[7:]], 4))
    client.close()
    assert outcome.trouble is None
    refused = {key for key, answer in outcome.answers.items() if isinstance(answer, Rejected)}
    assert (refused, len(outcome.answers)) == ({"bad"}, 21)


def test_a_job_type_that_the_installation_does_not_allow_is_refused(settings: DiracxSettings) -> None:
    backend = DiracxBackend("diracx", with_grid(settings, requirements=replace(NOWHERE, job_type="Nonsense")))
    answers = backend.submit(items(2))
    refused = [answer.reason for answer in answers if isinstance(answer, Rejected)]
    assert ["DiracX refuses it" in reason for reason in refused] == [True, True], answers
    backend.close()


def test_a_sandbox_that_is_too_large_is_refused(settings: DiracxSettings) -> None:
    client = DiracxClient(settings.url, settings.credential)
    with pytest.raises(DiracxRefused, match="too large"):
        client.run(sandbox.upload(client, PayloadArchive(os.urandom(101 << 20))))
    client.close()


def test_jobs_whose_sandbox_is_refused_are_refused_and_no_others(backend: DiracxBackend, way: Way) -> None:
    way.troubles.append(Trouble("/api/jobs/sandbox", status=400, detail="Sandbox too large"))
    few, many = items(1, "A" * 26), items(2, "B" * 26)
    first, *others = backend.submit([*few, *many])
    assert isinstance(first, Rejected)
    assert "Sandbox too large" in first.reason
    assert [type(answer) for answer in others] == [Accepted, Accepted]


def test_an_unknown_id_or_one_of_another_kind_harms_nothing(backend: DiracxBackend) -> None:
    assert list(backend.observe(["999999999", "nonsense"])) == []
    backend.cancel(["999999999", "nonsense"])
    backend.forget(["999999999", "nonsense"])
    assert list(backend.history("999999999")) == []


def test_a_job_that_is_gone_does_not_keep_the_others_alive(backend: DiracxBackend) -> None:
    ids = accepted(backend, items())
    waiting(backend, ids)
    backend.cancel([ids[0], "999999999", ids[1]])
    assert until(lambda: [o.native_id for o in backend.observe(ids) if o.seen == Seen.FINISHED] == ids[:2])


# --- credentials ------------------------------------------------------------------------------------


def test_without_a_credential_it_is_said_how_to_get_one(settings: DiracxSettings, tmp_path: Path) -> None:
    backend = DiracxBackend("diracx", replace(settings, credential=tmp_path / "none.json"))
    with pytest.raises(CredentialExpired, match=r"none\.json: No such file.*engine login"):
        backend.check()
    backend.close()


def test_a_credential_that_others_can_read_is_refused(settings: DiracxSettings) -> None:
    settings.credential.chmod(0o644)
    backend = DiracxBackend("diracx", settings)
    with pytest.raises(CredentialExpired, match="chmod 600"):
        backend.check()
    backend.close()


@pytest.mark.parametrize("what", ["vo", "group"])
def test_a_credential_for_another_vo_or_group_is_told(settings: DiracxSettings, what: str) -> None:
    backend = DiracxBackend("diracx", with_grid(settings, **{what: "another"}))
    with pytest.raises(CredentialExpired, match=r"is for .* biomed.*, not another"):
        backend.check()
    backend.close()


def test_a_group_that_may_not_submit_is_told(settings: DiracxSettings, diracx: Diracx) -> None:
    backend = DiracxBackend(
        "diracx", replace(settings, credential=diracx.credential("alice", "biomed_pilot"))
    )
    with pytest.raises(CredentialExpired, match="does not allow this"):
        backend.submit(items())
    backend.close()


def test_a_session_that_is_over_is_told_and_a_new_one_is_taken_up(
    backend: DiracxBackend, settings: DiracxSettings, diracx: Diracx
) -> None:
    good = settings.credential.read_text()
    settings.credential.write_text(
        json.dumps({"access_token": "a.b.c", "expires_on": 1, "refresh_token": ""})
    )
    with pytest.raises(CredentialExpired, match=r"session in .* is over.*engine login"):
        backend.check()
    settings.credential.write_text(good)
    backend.check()


def late(path: Path) -> None:
    """Make an access token look as if it ended now."""
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "expires_on": int(time.time()) + 5}))


def test_many_at_once_renew_a_session_once(settings: DiracxSettings, way: Way) -> None:
    late(settings.credential)
    clients = [DiracxClient(way.url, settings.credential) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        tokens = {token.text for token in pool.map(lambda client: client.token(), clients)}
    assert (len(tokens), way.count("POST /api/auth/token")) == (1, 1)
    assert settings.credential.stat().st_mode & 0o777 == 0o600
    for client in clients:
        client.close()


def test_a_token_is_good_for_its_last_minutes_when_it_cannot_be_renewed(
    settings: DiracxSettings, way: Way
) -> None:
    data = json.loads(settings.credential.read_text())
    settings.credential.write_text(json.dumps({**data, "expires_on": int(time.time()) + 60}))
    way.troubles.append(Trouble("/api/auth/token", times=99, refuse=True))
    backend = DiracxBackend("diracx", settings)
    backend.check()
    backend.close()


def test_a_proxy_with_a_token_in_it_will_do(settings: DiracxSettings, tmp_path: Path) -> None:
    import base64

    proxy = tmp_path / "x509up"
    block = base64.encodebytes(settings.credential.read_bytes()).decode()
    proxy.write_text(
        f"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        f"-----BEGIN DIRACX-----\n{block}-----END DIRACX-----\n"
    )
    proxy.chmod(0o600)
    backend = DiracxBackend("diracx", replace(settings, credential=proxy, proxy=True))
    assert len(accepted(backend, items())) == 3
    backend.close()


def test_a_proxy_without_a_token_is_told(settings: DiracxSettings, tmp_path: Path) -> None:
    proxy = tmp_path / "x509up"
    proxy.write_text("-----BEGIN CERTIFICATE-----\n")
    proxy.chmod(0o600)
    backend = DiracxBackend("diracx", replace(settings, credential=proxy, proxy=True))
    with pytest.raises(CredentialExpired, match=r"holds no DiracX token.*dirac-proxy-init"):
        backend.check()
    backend.close()


def test_no_token_is_in_any_words(backend: DiracxBackend, settings: DiracxSettings) -> None:
    token = backend._client.token()
    pair = backend._client.credentials._held
    assert token.text not in repr(token) + repr(pair) + repr(settings)


# --- behind our back --------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_wrong_changes_nothing(
    settings: DiracxSettings, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    class Wrong:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time() -> float:
            return time.time() + hours * 3600

    monkeypatch.setattr(answers, "time", Wrong)
    backend = DiracxBackend("diracx", settings)
    ids = accepted(backend, items())
    waiting(backend, ids)
    backend.cancel(ids[:1])
    assert until(lambda: states(backend, ids)[ids[0]] == Seen.FINISHED)
    assert states(backend, ids[1:]) == dict.fromkeys(ids[1:], Seen.QUEUED)
    backend.close()


def test_a_job_that_an_administrator_deleted_is_over(backend: DiracxBackend, diracx: Diracx) -> None:
    ids = accepted(backend, items())
    waiting(backend, ids)
    admin = DiracxClient(diracx.url, diracx.credential("alice", "biomed_admin"))
    stamp = "2040-01-01T00:00:00+00:00"
    admin.call("PATCH", STATUS, {ids[0]: {stamp: {"Status": "Deleted", "Source": "admin"}}})
    admin.close()
    assert until(lambda: states(backend, ids).get(ids[0]) == Seen.FINISHED)


def test_a_job_that_was_removed_from_the_database_is_absent(backend: DiracxBackend, diracx: Diracx) -> None:
    ids = accepted(backend, items())
    assert set(states(backend, ids)) == set(ids)
    with sqlite3.connect(diracx.directory / "db" / "jobdb.db", timeout=30) as connection:
        connection.execute("DELETE FROM Jobs WHERE JobID = ?", [int(ids[1])])
        connection.execute("DELETE FROM JobJDLs WHERE JobID = ?", [int(ids[1])])
    connection.close()
    assert until(lambda: set(states(backend, ids)) == {ids[0], ids[2]})


def test_answers_of_several_pages_are_put_together_and_compared(
    backend: DiracxBackend, settings: DiracxSettings, diracx: Diracx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", 2)
    batch = items(5)
    ids = accepted(backend, batch)
    waiting(backend, ids)
    late_engine = DiracxBackend("diracx", settings)  # has forgotten that it submitted them
    copies = accepted(late_engine, batch[3:])
    late_engine.close()
    with sqlite3.connect(diracx.directory / "db" / "jobdb.db", timeout=30) as connection:
        connection.execute("DELETE FROM Jobs WHERE JobID = ?", [int(ids[1])])
        connection.execute("DELETE FROM JobJDLs WHERE JobID = ?", [int(ids[1])])
    backend.cancel(ids[:1])
    expected = {ids[0]: Seen.FINISHED, **dict.fromkeys(ids[2:], Seen.QUEUED)}
    assert until(lambda: states(backend, ids) == expected)

    def killed() -> bool:
        backend.observe(ids)
        query = f"SELECT Status FROM Jobs WHERE JobID IN ({', '.join(copies)})"
        return [status for (status,) in connection.execute(query)] == ["Killed"] * 2

    assert until(killed)
    assert states(backend, ids) == expected
    connection.close()


def test_a_state_that_only_a_newer_dirac_knows_is_no_end(
    backend: DiracxBackend, settings: DiracxSettings, diracx: Diracx
) -> None:
    ids = accepted(backend, items(1))
    waiting(backend, ids)
    with sqlite3.connect(diracx.directory / "db" / "jobdb.db", timeout=30) as connection:
        connection.execute("UPDATE Jobs SET Status = 'Quantum' WHERE JobID = ?", [int(ids[0])])
    connection.close()
    other = DiracxBackend("diracx", settings)
    [seen] = other.observe(ids)
    assert (seen.seen, seen.detail.split(" (")[0]) == (Seen.QUEUED, "Quantum")
    other.close()


def test_a_job_that_arrived_twice_runs_once(backend: DiracxBackend, settings: DiracxSettings) -> None:
    batch = items()
    ids = accepted(backend, batch)
    late_engine = DiracxBackend("diracx", settings)  # has forgotten that it submitted them
    copies = accepted(late_engine, batch)
    assert not set(ids) & set(copies)
    assert until(lambda: set(states(late_engine, copies).values()) == {Seen.QUEUED})
    assert until(
        lambda: states(backend, ids) and set(states(late_engine, copies).values()) == {Seen.FINISHED}
    )
    assert set(states(backend, ids).values()) == {Seen.QUEUED}
    late_engine.close()


def test_a_server_without_an_optimizer_leaves_jobs_received(tmp_path: Path) -> None:
    with start_diracx(tmp_path / "server", variables={"LOCALSITE_OPTIMIZER": "no"}) as server:
        backend = DiracxBackend(
            "diracx", DiracxSettings(server.url, server.credential(), GridSettings(Node()))
        )
        ids = accepted(backend, items(1))
        assert [o.detail for o in backend.observe(ids)] == ["Received"]
        backend.close()


def test_two_threads_may_use_one_backend(backend: DiracxBackend) -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            accepted(backend, items())
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
