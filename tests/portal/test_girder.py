"""A real Girder with the real client: files and folders by their ids, with the key of their user."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.domain.urls import child
from tests.cli.desk import desk_in, until
from tests.portal.client import with_vip_client
from tests.portal.house import COPIER, Answer, House, portal
from tests.portal.warehouse import Warehouse
from tests.services.girder import Girder
from tests.services.registry import free_port

pytestmark = pytest.mark.service
PASSWORD = "what the portal knows"


@pytest.fixture(scope="module")
def warehouse(girder: Girder, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return Warehouse(girder, tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, girder: Girder) -> Iterator[House]:
    """A portal that has no key for Girder, and ann, who registered hers."""
    port = free_port()
    key = tmp_path_factory.mktemp("credential") / "key"
    key.touch(0o600)
    key.write_text(girder.key)
    platform = {"url": f"girder://{girder.host}", "api": girder.api}
    ours = {"url": f"girder://{girder.host}/collection/tests/ours", "api": girder.api, "credential": "girder"}
    storages = {"pilotGirder": platform, "ours": ours}
    settings = {
        "ENGINE_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
        "ENGINE_STORAGES": json.dumps(storages),
        "ENGINE_CREDENTIALS": json.dumps({"girder": {"kind": "key", "file": str(key)}}),
    }
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, settings, port=port) as house,
    ):
        desk.ok("user", "add", "user", "--role", "service", variables=dict(house.variables))
        (desk.directory / "word").write_text(PASSWORD)
        with (desk.directory / "word").open() as file:
            desk.ok("user", "password", "user", stdin=file, variables=dict(house.variables))
        ours_there = {"storageIdentifier": "pilotGirder", "apiKey": girder.key}
        assert house.ask("PUT", "/user/externalKeys", ours_there).status < 300
        yield house
        assert girder.key not in house.log.read_text()


def test_files_and_a_folder_are_named_by_their_ids(house: House, warehouse: Warehouse) -> None:
    file, folder = warehouse.put("a b.txt", b"from girder\n"), warehouse.folder("ids")
    told = house.run(
        "copier/1.0",
        {"file": f"pilotGirder:{file}", "word": "w", "results-directory": f"pilotGirder:{folder}"},
    )
    assert told["status"] == "Finished", told
    assert warehouse.read("ids") == {"out.txt": b"from girder\nw\n"}
    words = {"engine_execution": told["identifier"], "engine_pipeline": "copier/1.0"}
    assert warehouse.meta("runs/ids") == words
    assert warehouse.meta("runs/ids/out.txt") == {**words, "engine_job": "1"}


def test_a_path_in_a_private_collection_gets_results_with_its_users_key(
    house: House, warehouse: Warehouse
) -> None:
    file = warehouse.put("c.txt", b"x\n")
    warehouse.folder("paths")
    place = "pilotGirder:/collection/tests/runs/paths"
    told = house.run("copier/1.0", {"file": f"pilotGirder:{file}", "word": "w", "results-directory": place})
    assert told["status"] == "Finished", told
    assert warehouse.read("paths") == {"out.txt": b"x\nw\n"}


def test_results_that_stay_where_jobs_wrote_them_carry_the_same_words(
    house: House, warehouse: Warehouse
) -> None:
    file = warehouse.put("e.txt", b"x\n")
    told = house.run(
        "copier/1.0",
        {"file": f"pilotGirder:{file}", "word": ["a", "b"], "results-directory": "ours:/study"},
    )
    assert told["status"] == "Finished", told
    words = {"engine_execution": told["identifier"], "engine_pipeline": "copier/1.0"}
    at = f"ours/study/{told['identifier']}"
    assert warehouse.meta(at) == words
    for number in ("1", "2"):
        [attempt] = warehouse.storage.list(f"{warehouse.top.removesuffix('/runs')}/{at}/jobs/{number}")
        found = warehouse.meta(f"{at}/jobs/{number}/{attempt}/out.txt")
        assert found == {**words, "engine_job": number}


def test_platforms_are_listed_and_keys_come_and_go_without_being_told(house: House) -> None:
    key = {"storageIdentifier": "pilotGirder", "apiKey": "bobs-own-secret"}
    house.ok("PUT", "/user/externalKeys", key, user="bob")
    told = house.ok("GET", "/user/externalKeys", user="bob")
    assert [one["storageIdentifier"] for one in told.json] == ["pilotGirder"]
    assert b"secret" not in told.body
    assert house.ok("DELETE", "/user/externalKeys/pilotGirder", user="bob").status == 204
    assert house.ok("GET", "/user/externalKeys", user="bob").json == []
    platforms = house.ok("GET", "/externalPlatforms", user="bob").json
    [platform] = [one for one in platforms if one["identifier"] == "pilotGirder"]
    fields = {"identifier", "description", "url", "uploadUrl", "keycloakClientId", "refreshTokenUrl"}
    assert fields <= set(platform)


def submitted_by_vip(house: House, inputs: Mapping[str, str]) -> Answer:
    parts = {"workflow": COPIER, "inputs": inputs, "settings": {}}
    body = {name: b64encode(json.dumps(part).encode()).decode() for name, part in parts.items()}
    return asked_by_vip(house, "POST", "/submit", {**body, "proxy": ""})


def asked_by_vip(house: House, method: str, path: str, body: Any = None) -> Answer:
    basic = b64encode(f"user:{PASSWORD}".encode()).decode()
    return house.ask(method, path, body, user="", raw=True, Authorization=f"Basic {basic}")


def _is_over(house: House, id_: str) -> bool:
    return asked_by_vip(house, "GET", f"/status/{id_}").body != b"RUNNING"


def test_vips_portal_launches_for_users_of_girder_with_the_token_of_each(
    house: House, warehouse: Warehouse
) -> None:
    files = [warehouse.put(f"{n} of vip.txt", f"{n}\n".encode()) for n in ("one", "two")]
    folders = [warehouse.folder(f"vip-{n}") for n in ("one", "two")]
    tokens = [warehouse.token(), warehouse.token()]
    started = []
    for file, folder, token in zip(files, folders, tokens, strict=True):
        inputs = {
            "file": warehouse.location(file, token),
            "word": "w",
            "results-directory": warehouse.location(folder, token, "of%20vip"),
        }
        answer = submitted_by_vip(house, inputs)
        assert answer.status == 200, answer
        started.append(answer.body.decode())
    for id_, token, name in zip(started, tokens, ("one", "two"), strict=True):
        until(partial(_is_over, house, id_))
        assert asked_by_vip(house, "GET", f"/status/{id_}").body == b"COMPLETE"
        assert warehouse.read(f"vip-{name}") == {"out.txt": f"{name}\nw\n".encode()}
        assert token not in house.log.read_text()
        assert token.encode() not in house.desk.database.read_bytes()
    kept = [path for path in house.desk.home.rglob("keys/*/.executions/*/*") if path.is_file()]
    assert sorted(path.read_text().strip() for path in kept) == sorted(tokens)
    for path in kept:
        os.utime(path, (0, 0))  # an hour and more after the end of their executions
    until(lambda: not any(path.parent.exists() for path in kept))


def test_what_is_wrong_with_a_location_of_girder_is_said_without_its_token(
    house: House, warehouse: Warehouse
) -> None:
    file = warehouse.put("f.txt", b"x")
    ended = warehouse.token()
    warehouse.end(ended)
    wrong = {
        "no Girder with the address http://127.0.0.1:9/api/v1 is known here": warehouse.location(
            file, "secret", api="http://127.0.0.1:9/api/v1"
        ),
        "that came with the launch ended": warehouse.location(file, ended),
        "its token is missing": warehouse.location(file, ""),
        "no file and no folder of this id can be seen": warehouse.location("0" * 24, warehouse.token()),
    }
    for words, location in wrong.items():
        answer = submitted_by_vip(house, {"file": location, "word": "w"})
        assert (answer.status, words in answer.body.decode()) == (400, True), answer
        assert not (token := location.rpartition("token=")[2]) or token.encode() not in answer.body
    kept = [path.read_text().strip() for path in house.desk.home.rglob("keys/*/.executions/*/*")]
    assert not {"secret", ended} & set(kept)


def test_an_id_that_is_not_there_or_not_for_who_asks_is_refused(house: House, warehouse: Warehouse) -> None:
    for id_, user in (("0" * 24, "ann"), (warehouse.put("d.txt", b"x"), "bob")):
        answer = house.ask(
            "POST",
            "/executions",
            {
                "name": "a",
                "pipelineIdentifier": "copier/1.0",
                "inputValues": {"file": f"pilotGirder:{id_}", "word": "w"},
            },
            user=user,
        )
        assert (answer.status, id_ in answer.json["errorMessage"]) == (400, True), answer


def test_vip_girder_runs_several_times_and_each_run_has_its_folder(
    house: House, warehouse: Warehouse, girder: Girder, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        warehouse.put(f"{name}.txt", f"{name}\n".encode())
    script = f"""
from vip_client import VipGirder
VipGirder.init(vip_key=KEY, girder_key={girder.key!r}, vip_portal_url=URL, girder_api_url={girder.api!r})
session = VipGirder(
    session_name="experiment", pipeline_id="copier/1.0", output_dir="/collection/tests/runs/experiment",
    input_settings={{"file": [f"/collection/tests/runs/{{n}}.txt" for n in ("one", "two")], "word": "w"}},
    custom_wf_metadata={{"experiment_id": "E1"}},
)
session.run_session(nb_runs=2, refresh_time=1)
"""
    with_vip_client(house, script, tmp_path)
    runs = warehouse.storage.list(child(warehouse.top, "experiment"))
    assert len(list(runs)) == 2
    for run in runs:
        found = until(partial(warehouse.read, f"experiment/{run}"))
        assert sorted(found.values()) == [b"one\nw\n", b"two\nw\n"]
        told = warehouse.meta(f"runs/experiment/{run}")
        assert (told["experiment_id"], told["workflow_status"]) == ("E1", "Finished")
        assert told["engine_execution"] == told["workflow_id"]
