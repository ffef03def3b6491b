"""Executions of a portal whose files lie on S3: jobs never have its keys, but URLs that the engine signs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.client import Client
from engine.ids import new_id
from tests.cli.desk import desk_in
from tests.portal.bucket import with_bucket
from tests.portal.house import House, portal
from tests.services.registry import free_port
from tests.services.s3 import S3

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def house(rclone_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    port = free_port()
    settings = with_bucket(rclone_s3, tmp_path_factory.mktemp("keys"))
    settings |= {
        "ENGINE_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ENGINE_PORTAL__TREE": f"bucket:{new_id()}",
    }
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, settings, port=port) as house,
    ):
        yield house
        log = house.log.read_text()
        assert "defect" not in log, log
        assert rclone_s3.secret_access_key not in log


def test_a_job_reads_and_writes_what_the_engine_signs(house: House) -> None:
    house.put("/vip/Home/study/in.txt", b"content\n")
    told = house.run("copier/1.0", {"file": "/vip/Home/study/in.txt"}, resultsLocation="/vip/Home/study")
    assert told["status"] == "Finished", told
    [path] = told["returnedFiles"]["copy"]
    assert path.startswith(f"/vip/Home/study/{told['identifier']}/")
    assert house.read(path) == b"content\n\n"
    told_once = f"execution {told['identifier']}: its results are not labelled"
    assert house.log.read_text().count(told_once) == 1  # rclone keeps no tags
    house.ok("PUT", f"/executions/{told['identifier']}/delete", {"deleteFiles": True})
    assert not house.exists(path)
    assert house.exists(f"/vip/Trash/{told['identifier']}")
    assert house.exists("/vip/Home/study/in.txt")


def test_results_that_stay_where_they_were_written_are_the_users_own_and_no_records(house: House) -> None:
    house.put("/vip/Home/kept/in.txt", b"x")
    told = house.run("copier/1.0", {"file": "/vip/Home/kept/in.txt"}, resultsLocation="/vip/Home/kept")
    place = f"/vip/Home/kept/{told['identifier']}"
    records = f"/vip/Executions/{told['identifier']}"
    assert house.read(f"{records}/logs/1.1.out") == b"printed\n"
    [path] = told["returnedFiles"]["copy"]
    assert path.startswith(f"{place}/jobs/1/")
    attempt = path.rpartition("/")[0]
    wrong = [("PUT", f"{place}/new"), ("PUT", f"{place}/jobs/2/x/y"), ("PUT", f"{attempt}/new")]
    wrong += [("PUT", f"{place}/jobs/x/y/z"), ("PUT", f"{place}/jobs/{'9' * 30}/y/z"), ("PUT", f"{path}x")]
    wrong += [("DELETE", attempt), ("DELETE", f"{place}/jobs"), ("PUT", f"{records}/logs/1.1.out")]
    for method, name in wrong:
        answer = house.ask(method, f"/path{name}", b"x" if method == "PUT" else None)
        assert (answer.status, answer.code) == (400, 8013), (name, answer)
    assert house.read(path) == b"x\n"
    assert house.ok("DELETE", f"/path{path}").status == 204
    assert not house.ok("GET", f"/executions/{told['identifier']}/results").json[0]["exists"]


def test_results_come_home_by_their_names_and_not_by_where_they_lie(house: House, tmp_path: Path) -> None:
    house.put("/vip/Home/named/in.txt", b"x")
    values = {"file": "/vip/Home/named/in.txt", "word": ["a", "b"]}
    told = house.run("copier/1.0", values, resultsLocation="/vip/Home/named")
    with Client(house.url, house.keys["ann"]) as client:
        found = client.download_results(told["identifier"], tmp_path)
        names = [one["name"] for one in client.results(told["identifier"])]
    assert sorted(path.read_text() for path in found) == ["xa\n", "xb\n"]
    assert [str(path.relative_to(tmp_path)) for path in found] == names
    assert all(len(name.split("/")) <= 2 for name in names), names


def test_without_a_public_url_the_doctor_says_why_no_job_would_run(house: House) -> None:
    variables = {**house.variables, "ENGINE_API__PUBLIC_URL": ""}
    told = house.desk.run("doctor", "--json", variables=variables)
    assert told.code == 3
    [found] = [one for one in told.values if one["check"] == "files of the portal"]
    assert found["verdict"] == "failure"
    assert "api.public_url" in found["remedy"]
    assert found["message"].startswith("s3://")
