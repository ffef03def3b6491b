"""CARMIN as VIP speaks it, where its clients count on what the specification leaves open."""

from __future__ import annotations

import pytest

from tests.portal.house import House

pytestmark = pytest.mark.whole


def test_a_pipeline_can_be_asked_for_by_a_parameter(house: House) -> None:
    one = house.ok("GET", "/pipelines?pipelineId=copier%2F1.0").json
    assert one == house.ok("GET", "/pipelines/copier/1.0").json
    assert [each["name"] for each in one["parameters"]] == ["file", "word"]
    assert house.ask("GET", "/pipelines?pipelineId=nothing%2F1.0").code == 8007
    assert house.ask("GET", "/pipelines?pipelineId=copier").code == 8005


@pytest.mark.parametrize("name", ["file", "d/e/file"])
def test_no_file_is_put_into_a_directory_that_is_not_there(house: House, name: str) -> None:
    place = "/vip/Home/missing"
    answer = house.ask("PUT", f"/path{place}/{name}", b"content", Content_Type="application/octet-stream")
    assert (answer.status, answer.code) == (400, 8000)
    assert "/vip/Home/missing" in answer.json["errorMessage"]
    assert not house.exists(place)


def test_nothing_is_put_below_a_file(house: House) -> None:
    house.put("/vip/Home/plain", b"x")
    answer = house.ask("PUT", "/path/vip/Home/plain/y", b"x", Content_Type="application/octet-stream")
    assert (answer.status, answer.code) == (400, 8000)
    assert house.read("/vip/Home/plain") == b"x"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/platform", {"GET", "PUT", "OPTIONS"}),
        ("/executions", {"GET", "POST", "OPTIONS"}),
        ("/executions/x/kill", {"PUT", "OPTIONS"}),
        ("/path/vip/Home/a%20b", {"GET", "PUT", "DELETE", "OPTIONS"}),
        ("/pipelines/copier/1.0", {"GET", "OPTIONS"}),
    ],
)
def test_methods_of_a_route_are_told_without_a_key(house: House, path: str, methods: set[str]) -> None:
    answer = house.ask("OPTIONS", path, user="")
    assert answer.status == 204
    assert methods <= set(answer.headers["allow"].split(", "))


def test_a_route_that_is_none_has_no_methods(house: House) -> None:
    assert house.ask("OPTIONS", "/nothing/of/this", user="").status == 404
    for method in ("GET", "PUT", "POST", "DELETE"):
        assert house.ask(method, "/nothing/of/this").status == 404


def test_jobs_are_counted_from_0(house: House) -> None:
    id_ = house.ok(
        "POST",
        "/executions",
        {"name": "two", "pipelineIdentifier": "failer/1.0", "inputValues": {"code": ["0", "0"]}},
    ).json["identifier"]
    assert list(house.ok("GET", f"/executions/{id_}").json["jobs"]) == ["0", "1"]
    assert [one["number"] for one in house.ok("GET", f"/executions/{id_}/jobs").json["jobs"]] == [0, 1]
    assert house.ok("GET", f"/executions/{id_}/jobs/0").json["number"] == 0
    assert house.ask("GET", f"/executions/{id_}/jobs/2").status == 400
