"""Executions through the portal: started, told, killed, restarted, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.desk import Desk, until
from tests.portal.house import COPIER, House, portal

pytestmark = pytest.mark.whole

KEYS = {
    "identifier",
    "name",
    "pipelineIdentifier",
    "timeout",
    "status",
    "inputValues",
    "returnedFiles",
    "studyIdentifier",
    "errorCode",
    "startDate",
    "endDate",
    "resultsLocation",
    "jobs",
}
"""What VIP always tells, null when there is nothing."""


@pytest.fixture(autouse=True, scope="module")
def _input(house: House) -> None:
    house.put("/vip/Home/in.txt", b"content\n")


def test_an_execution_is_running_from_the_first_answer_on_and_tells_all_of_vips_keys(
    house: House, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    answer = house.launch("waiter/1.0", {"gate": str(gate)}, studyIdentifier="study 1", sorting=True)
    first = answer.json
    assert set(first) >= KEYS
    assert first["status"] == "Running"
    assert first["startDate"] > 1_600_000_000_000
    assert (first["returnedFiles"], first["endDate"], first["studyIdentifier"]) == (None, None, "study 1")
    gate.touch()
    last = house.ended(first["identifier"])
    assert last["status"] == "Finished"
    assert list(last["jobs"].values()) == [{"status": "COMPLETED", "exitCode": 0, "exitMessage": None}]
    [path] = last["returnedFiles"]["done"]
    assert path.startswith("/vip/Home/")
    assert house.read(path) == b"done\n"


def test_results_lie_below_the_place_that_was_asked_for_and_never_collide(house: House) -> None:
    values = {"file": "/vip/Home/in.txt", "word": ["a", "b", "c"]}
    with ThreadPoolExecutor(3) as pool:
        started = list(
            pool.map(
                lambda _: house.start("copier/1.0", values, resultsLocation="/vip/Home/my results"), range(3)
            )
        )
    paths = [path for id_ in started for path in house.ended(id_)["returnedFiles"]["copy"]]
    assert len(set(paths)) == 9
    assert all(path.startswith("/vip/Home/my results/") for path in paths)
    results = house.ok("GET", f"/executions/{started[0]}/results").json
    assert [one["exists"] for one in results] == [True] * 3
    assert {one["executionId"] for one in results} == {started[0]}


def test_logs_are_told_for_one_job_and_by_number_for_several(house: House) -> None:
    one = house.run("copier/1.0", {"file": "/vip/Home/in.txt", "word": "x"})["identifier"]
    stdout = house.ok("GET", f"/executions/{one}/stdout")
    assert (stdout.body, stdout.headers["content-type"]) == (b"printed\n", "text/plain; charset=utf-8")
    assert house.ok("GET", f"/executions/{one}/stderr").body == b"wrong\n"
    two = house.run("copier/1.0", {"file": "/vip/Home/in.txt", "word": ["x", "y"]})["identifier"]
    assert b"jobId is required" in house.ok("GET", f"/executions/{two}/stdout").body
    assert house.ok("GET", f"/executions/{two}/jobs/1/stdout").body == b"printed\n"
    for number in ("2", "-1", "99999999999999999999"):
        assert house.ask("GET", f"/executions/{two}/jobs/{number}/stderr").code in (8000, 8009)


def test_a_failed_execution_says_which_jobs_failed_and_can_be_run_again(house: House) -> None:
    told = house.run("failer/1.0", {"code": ["0", "3"]})
    assert told["status"] == "ExecutionFailed"
    assert [job["status"] for job in told["jobs"].values()] == ["COMPLETED", "ERROR"]
    assert told["jobs"]["1"]["exitCode"] == 3
    assert told["jobsSummary"] == {"COMPLETED": 1, "ERROR": 1}
    id_ = told["identifier"]
    house.ok("PUT", f"/executions/{id_}/restart")
    assert house.ended(id_)["status"] == "ExecutionFailed"


def test_a_kill_ends_it_and_deleting_waits_for_the_end(house: House) -> None:
    id_ = house.start("waiter/1.0", {"gate": "/nowhere"})
    assert house.ask("PUT", f"/executions/{id_}/delete", {"deleteFiles": True}).code == 8000
    assert house.ok("PUT", f"/executions/{id_}/kill?deleteFiles=true").status == 204
    assert house.ended(id_)["status"] == "Killed"
    assert house.ok("PUT", f"/executions/{id_}/kill").status == 204
    assert house.ok("PUT", f"/executions/{id_}/play").status == 204
    assert house.ok("PUT", f"/executions/{id_}/delete", {"deleteFiles": True}).status == 204
    assert house.ask("GET", f"/executions/{id_}").code == 8015


def test_deleting_with_its_files_puts_them_into_the_trash(house: House) -> None:
    told = house.run("copier/1.0", {"file": "/vip/Home/in.txt", "word": "x"})
    id_, [path] = told["identifier"], told["returnedFiles"]["copy"]
    assert house.ok("DELETE", f"/executions/{id_}?deleteFiles=true").status == 204
    assert not house.exists(path)
    assert house.exists(f"/vip/Trash/{id_}")
    assert id_ not in [one["identifier"] for one in house.ok("GET", "/executions").json]


def test_the_old_spelling_of_kill_works(house: House) -> None:
    id_ = house.start("waiter/1.0", {"gate": "/nowhere"})
    assert house.ok("DELETE", f"/executions/{id_}").status == 204
    assert house.ended(id_)["status"] == "Killed"


def test_an_execution_gets_another_name(house: House) -> None:
    id_ = house.run("failer/1.0", {"code": "0"})["identifier"]
    assert house.ok("PUT", f"/executions/{id_}", {"name": "better name"}).json["name"] == "better name"
    assert house.ask("PUT", f"/executions/{id_}", {"name": "bad; name"}).code == 8019
    assert house.ask("PUT", f"/executions/{id_}", {"timeout": 3}).code == 8000


def test_executions_are_listed_newest_first_in_pages_and_counted(house: House) -> None:
    made = [house.run("failer/1.0", {"code": "0"}, studyIdentifier="pages")["identifier"] for _ in range(3)]
    found = house.ok("GET", "/executions?studyIdentifier=pages").json
    assert [one["identifier"] for one in found] == made[::-1]
    page = house.ok("GET", "/executions?studyIdentifier=pages&offset=1&limit=1").json
    assert [one["identifier"] for one in page] == [made[1]]
    count = house.ok("GET", "/executions/count?studyIdentifier=pages")
    assert (count.body, count.headers["content-type"]) == (b"3", "text/plain; charset=utf-8")
    assert house.ask("GET", "/executions?limit=501").code == 8009


def test_pipelines_are_told_in_both_spellings_with_trailing_slashes_and_as_descriptors(house: House) -> None:
    one = house.ok("GET", "/pipelines/copier/1.0").json
    assert house.ok("GET", "/pipelines/copier%2F1.0").json == one
    assert house.ok("GET", "/pipelines/copier/1.0/").json == one
    assert [p["type"] for p in one["parameters"]] == ["File", "String"]
    assert [p["isOptional"] for p in one["parameters"]] == [False, True]
    assert house.ok("GET", "/pipelines/copier/1.0?format=boutiques").json == COPIER
    assert house.ok("GET", "/pipelines/copier/1.0/boutiquesdescriptor").json == COPIER
    listed = house.ok("GET", "/pipelines/").json
    assert {"copier/1.0", "waiter/1.0"} <= {p["identifier"] for p in listed}
    assert all(p["canExecute"] is True and p["parameters"] == [] for p in listed)


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({}, 8018, "input code is missing"),
        ({"code": None}, 8018, "input code is missing"),
        ({"code": "seven"}, 8009, "code"),
        ({"code": "1.5"}, 8009, "code"),
        ({"code": "1; rm -rf /"}, 8009, "code"),
        ({"code": "$(id)"}, 8009, "code"),
        ({"code": []}, 8009, "empty"),
        ({"code": {"a": 1}}, 8009, "code"),
        ({"code": "1", "other": "2"}, 8009, "no such input"),
        ({"code": "9" * 30}, 8009, "code"),
    ],
)
def test_values_that_cannot_be_are_refused_with_vips_codes(
    house: House, values: dict[str, object], code: int, words: str
) -> None:
    answer = house.launch("failer/1.0", values)
    assert (answer.status, answer.code) == (400, code), answer
    assert words in answer.json["errorMessage"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"{", 8009),
        (b"[]", 8009),
        (b"null", 8009),
        (b'"text"', 8009),
        (b"", 8009),
        (b'{"name": 1}', 8009),
        (b'{"name": "a;b", "pipelineIdentifier": "failer/1.0", "inputValues": {}}', 8019),
        (b'{"name": "", "pipelineIdentifier": "failer/1.0", "inputValues": {}}', 8019),
        (b'{"name": "a", "pipelineIdentifier": "failer"}', 8005),
        (b'{"name": "a", "pipelineIdentifier": "failer/9.9"}', 8007),
        (b'{"name": "a", "pipelineIdentifier": "fai\\u0000ler/9"}', 8007),
        (b'{"name": "a", "pipelineIdentifier": "../../etc/zenodo.1"}', 8007),
        (b'{"name": "a"}', 8005),
        (b'{"name": "a", "pipelineIdentifier": "failer/1.0", "timeout": 5}', 8020),
        (b'{"name": ' + b"[" * 200_000, 8009),
        (b'{"name": "a", "descriptor": {}}', 2002),
        (b'{"name": "a", "studyIdentifier": "\\u0000", "pipelineIdentifier": "failer/1.0"}', 8000),
    ],
)
def test_a_request_that_is_none_is_refused(house: House, document: bytes, code: int) -> None:
    answer = house.ask("POST", "/executions", document, Content_Type="application/json")
    assert 400 <= answer.status < 500
    assert answer.code in (code, 8000)


def test_a_huge_document_is_refused_before_it_is_read(house: House) -> None:
    answer = house.ask("POST", "/executions", b" " * (17 << 20), Content_Type="application/json")
    assert (answer.status, answer.code) == (413, 8000)


def test_a_descriptor_of_ones_own_needs_an_image_of_an_allowed_registry(house: House) -> None:
    own = {**COPIER, "name": "own"}
    for image in (
        None,
        {"type": "docker", "image": "127.0.0.1:5000/x"},
        {"type": "docker", "image": "169.254.169.254/x"},
        {"type": "docker", "image": "x", "index": "http://127.0.0.1:22"},
        {"type": "rootfs", "url": "file:///etc"},
        {"type": "singularity", "image": "/etc/passwd"},
    ):
        descriptor = {**own, **({"container-image": image} if image else {})}
        answer = house.ask("POST", "/executions", {"name": "a", "descriptor": descriptor})
        assert (answer.status, answer.code) == (400, 2002), (image, answer)


def test_what_a_descriptor_names_by_default_is_no_file_of_the_server(house: House) -> None:
    inputs = [{**COPIER["inputs"][0], "default-value": "/etc/passwd", "optional": True}]
    sneaky = {**COPIER, "name": "sneaky", "inputs": [*inputs, COPIER["inputs"][1]]}
    house.engine("pipeline", "add", house.desk.write("sneaky.json", sneaky))
    answer = house.launch("sneaky/1.0", {"word": "x"})
    assert (answer.status, answer.code) == (400, 8009)
    assert "/etc/passwd" not in answer.json["errorMessage"]


def test_a_used_pipeline_is_never_changed(house: House) -> None:
    house.run("failer/1.0", {"code": "0"})
    changed = {**COPIER, "name": "failer", "description": "Another"}
    ran = house.desk.run(
        "pipeline", "add", house.desk.write("changed.json", changed), variables=dict(house.variables)
    )
    assert ran.code == 2
    assert "was used already" in ran.err


@pytest.fixture
def narrow(desk: Desk) -> Iterator[House]:
    """A portal where a user runs one execution at a time, two wait, and 1000 bytes are kept."""
    settings = {
        "ENGINE_PORTAL__RUNNING": "1",
        "ENGINE_PORTAL__WAITING": "2",
        "ENGINE_PORTAL__JOBS": "5",
        "ENGINE_PORTAL__BYTES": "1000",
        "ENGINE_PORTAL__FAILURES": "3",
        "ENGINE_BACKENDS__LOCAL__SLOTS": "4",
    }
    with portal(desk, settings) as house:
        yield house


def test_what_is_beyond_a_quota_waits_runs_in_turn_or_is_refused(narrow: House, tmp_path: Path) -> None:
    gates = [tmp_path / f"gate{number}" for number in range(3)]
    started = [narrow.start("waiter/1.0", {"gate": str(gate)}) for gate in gates]
    answer = narrow.launch("waiter/1.0", {"gate": "x"})
    assert (answer.status, answer.code) == (400, 2001)
    other = narrow.start("failer/1.0", {"code": "0"}, user="bob")
    assert narrow.ended(other, user="bob")["status"] == "Finished"
    for gate in (gates[1], gates[2]):
        gate.touch()
    until(lambda: narrow.told(started[0])["jobs"]["0"]["status"] == "RUNNING")
    assert [narrow.told(id_)["status"] for id_ in started] == ["Running"] * 3
    assert [narrow.told(id_)["jobs"]["0"]["status"] for id_ in started[1:]] == ["QUEUED"] * 2
    narrow.ok("PUT", f"/executions/{started[2]}/kill")
    assert narrow.ended(started[2])["status"] == "Killed"
    gates[0].touch()
    assert [narrow.ended(id_)["status"] for id_ in started[:2]] == ["Finished"] * 2
    sweep = narrow.launch("failer/1.0", {"code": ["0"] * 6})
    assert (sweep.status, sweep.code) == (400, 8009)
    narrow.engine("user", "quota", "ann", "--jobs", "6")
    assert narrow.run("failer/1.0", {"code": ["0"] * 6})["status"] == "Finished"


def test_bytes_are_counted_for_each_user_and_come_back(narrow: House) -> None:
    narrow.put("/vip/Home/a.bin", b"x" * 700)
    answer = narrow.ask("PUT", "/path/vip/Home/b.bin", b"x" * 700, Content_Type="application/octet-stream")
    assert (answer.status, answer.code) == (413, 8000)
    narrow.put("/vip/Home/b.bin", b"x" * 700, user="bob")
    narrow.ok("DELETE", "/path/vip/Home/a.bin")
    narrow.ok("DELETE", "/path/vip/Trash/a.bin")
    narrow.put("/vip/Home/b.bin", b"x" * 700)


def test_guessing_keys_is_made_slow_for_the_guesser(narrow: House) -> None:
    for _ in range(3):
        assert narrow.ask("GET", "/executions", user="", apikey="guess").status == 401
    answer = narrow.ask("GET", "/executions", user="", apikey="guess")
    assert (answer.status, answer.code) == (429, 8004)
    assert answer.headers["retry-after"] == "60"


def test_a_portal_that_was_killed_goes_on_with_everything(desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with portal(desk) as first:
        id_ = first.start("waiter/1.0", {"gate": str(gate)})
        until(lambda: first.told(id_)["jobs"]["0"]["status"] == "RUNNING")
        first.process.kill()
        first.process.wait()
        key = first.keys["ann"]
    with portal(desk) as second:
        gate.touch()
        assert second.ended(id_)["status"] == "Finished"
        assert second.ask("GET", f"/executions/{id_}", user="", apikey=key).status == 200
