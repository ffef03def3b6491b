"""Executions of a portal whose files lie on S3: jobs never have its keys, but URLs that the engine signs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
    settings |= {"ENGINE_API__PUBLIC_URL": f"http://127.0.0.1:{port}"}
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, port=port, ENGINE_PORTAL__TREE=f"bucket:{new_id()}", **settings) as house,
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
    house.ok("PUT", f"/executions/{told['identifier']}/delete", {"deleteFiles": True})
    assert not house.exists(path)
    assert house.exists(f"/vip/Trash/{told['identifier']}")
    assert house.exists("/vip/Home/study/in.txt")


def test_without_a_public_url_the_doctor_says_why_no_job_would_run(house: House) -> None:
    variables = {**house.variables, "ENGINE_API__PUBLIC_URL": ""}
    told = house.desk.run("doctor", "--json", variables=variables)
    assert told.code == 3
    [found] = [one for one in told.values if one["check"] == "files of the portal"]
    assert found["verdict"] == "failure"
    assert "api.public_url" in found["remedy"]
    assert found["words"].startswith("s3://")
