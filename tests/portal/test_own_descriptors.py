"""Descriptors that users bring along: their own, or one that is published under a DOI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.cli.desk import desk_in
from tests.portal.house import House, portal
from tests.portal.test_costly_descriptors import COSTLY, descriptor
from tests.services.registry import Registry
from tests.services.zenodo_stand_in import StandIn, start_zenodo

pytestmark = pytest.mark.service


def own(image: str) -> dict[str, Any]:
    return {
        "name": "own",
        "description": "Writes a word",
        "tool-version": "1.0",
        "schema-version": "0.5",
        "command-line": "echo [WORD] > out.txt",
        "container-image": {"type": "docker", "image": image},
        "inputs": [{"id": "word", "name": "word", "type": "String", "value-key": "[WORD]"}],
        "output-files": [{"id": "out", "name": "out", "path-template": "out.txt"}],
    }


@pytest.fixture(scope="module")
def zenodo() -> Iterator[StandIn]:
    with start_zenodo() as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, registry: Registry, busybox_image: str, zenodo: StandIn
) -> Iterator[House]:
    """A portal that allows the images of one registry, beside its published pipelines without container."""
    settings = {
        "ENGINE_PORTAL__REGISTRIES": json.dumps([busybox_image.partition("/")[0]]),
        "ENGINE_PORTAL__RUNTIMES": '["userns", "none"]',
        "ENGINE_ZENODO": zenodo.url,
    }
    with desk_in(tmp_path_factory.mktemp("own")) as desk, portal(desk, settings) as house:
        yield house


def result(house: House, told: Any) -> bytes:
    assert told["status"] == "Finished", told
    [path] = told["returnedFiles"]["out"]
    return house.read(path)


def test_a_descriptor_of_ones_own_runs_in_its_container(house: House, busybox_image: str) -> None:
    wanted = {"name": "own", "descriptor": own(busybox_image), "inputValues": {"word": "uploaded"}}
    id_ = str(house.ok("POST", "/executions", wanted).json["identifier"])
    assert result(house, house.ended(id_)) == b"uploaded\n"
    assert house.told(id_)["pipelineIdentifier"] == ""


@pytest.mark.parametrize("name", ["zenodo.7", "10.5281/zenodo.7"])
def test_a_published_descriptor_runs_by_its_doi(
    house: House, busybox_image: str, zenodo: StandIn, name: str
) -> None:
    zenodo.publish(7, json.dumps(own(busybox_image)).encode())
    told = house.run(name, {"word": "published"})
    assert result(house, told) == b"published\n"
    assert told["pipelineIdentifier"] == name


def test_a_published_descriptor_that_takes_minutes_to_be_looked_through_is_refused_too(
    house: House, zenodo: StandIn
) -> None:
    zenodo.publish(11, json.dumps(descriptor(**COSTLY["nested loops"])).encode())
    answer = house.launch("zenodo.11", {"a": "x"})
    assert (answer.status, answer.code) == (400, 2002), answer
    assert "seconds to be looked through" in answer.json["errorMessage"]


def test_a_doi_that_is_not_there_or_wrong_is_refused(house: House, zenodo: StandIn) -> None:
    zenodo.publish(8, json.dumps(own("elsewhere.example.org/x:1")).encode())
    zenodo.publish(9, b"no descriptor")
    for name in ("zenodo.6", "zenodo.8", "zenodo.9"):
        answer = house.launch(name, {"word": "x"})
        assert (answer.status, answer.code) == (400, 2002), (name, answer)


def test_a_zenodo_that_does_not_answer_is_no_fault_of_the_users(house: House, zenodo: StandIn) -> None:
    zenodo.answers["/api/records/10"] = (503, b"")
    answer = house.launch("zenodo.10", {"word": "x"})
    assert (answer.status, answer.code) == (503, 8000)


def test_no_container_is_no_choice_for_a_descriptor_of_ones_own(house: House, tmp_path: Path) -> None:
    bare = {key: value for key, value in own("x").items() if key != "container-image"}
    wanted = {"name": "own", "descriptor": bare, "inputValues": {"word": "x"}}
    assert house.ask("POST", "/executions", wanted).code == 2002


def test_what_could_use_up_what_others_need_is_refused_before_it_is_made(
    house: House, busybox_image: str
) -> None:
    asked = {"title": "many", "descriptor": own(busybox_image)}
    many = house.ask("POST", "/engine/executions", {**asked, "jobs": [{}] * 100_001})
    assert (many.status, "100000" in many.json["errorMessage"]) == (400, True), many
    wrong = house.ask("POST", "/engine/plan", {**asked, "jobs": [0] * 50_000})
    assert (wrong.status, wrong.code) == (400, 8009), wrong
    long = {**own(busybox_image), "command-line": "echo [WORD] [WORD] [WORD] [WORD] > out.txt"}
    words = {"word": ["x" * 4_000 + str(n) for n in range(1_100)]}
    large = house.ask("POST", "/engine/plan", {**asked, "descriptor": long, "values": words})
    assert (large.status, "16 MB" in large.json["errorMessage"]) == (400, True), large


def test_keys_for_vip_that_are_wrong_are_the_descriptors_fault_for_given_jobs_too(
    house: House, busybox_image: str
) -> None:
    wrong = {**own(busybox_image), "custom": {"vip:overriddenInputs": {"word": ["x"]}}}
    asked = {"title": "wrong", "descriptor": wrong, "jobs": [{"values": {"word": "x"}}]}
    for path in ("/engine/plan", "/engine/executions"):
        answer = house.ask("POST", path, asked)
        assert (answer.status, answer.code) == (400, 2002), answer


def test_a_number_at_zenodo_that_is_none_is_refused(house: House) -> None:
    for digits in ("1" * 300, "\u0661"):
        answer = house.ask("GET", f"/engine/descriptor?pipeline=zenodo.{quote(digits)}")
        assert answer.status == 400, answer
