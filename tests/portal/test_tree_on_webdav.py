"""Executions of a portal whose files lie on a WebDAV server: its jobs and the server deal with each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ids import new_id
from tests.cli.desk import desk_in, until
from tests.portal.client import with_vip_client
from tests.portal.house import House, portal
from tests.services.nginx import Nginx, start_nginx
from tests.services.registry import free_port

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def top() -> str:
    """The directory of the tree on the server."""
    return f"portal-{new_id()}"


@pytest.fixture(scope="module")
def house(nginx: Nginx, top: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {
        "ENGINE_PORTAL__TREE": f"se:{top}",
        "ENGINE_STORAGES": json.dumps({"se": {"url": nginx.url}}),
    }
    with (
        desk_in(tmp_path_factory.mktemp("portal")) as desk,
        portal(desk, settings) as house,
    ):
        yield house
        log = house.log.read_text()
        assert "defect" not in log, log


@pytest.fixture
def home(house: House, nginx: Nginx, top: str) -> Path:
    """Where ann's files are, as the administrator of the server sees them."""
    return nginx.files / top / "vip/users" / house.ids["ann"] / "home"


def test_the_unmodified_vip_client_uploads_launches_downloads_and_finishes(
    house: House, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a b.txt", "c.txt"):
        (tmp_path / "in" / name).write_text(f"{name}\n")
    script = """
VipSession.init(api_key=KEY, vip_portal_url=URL)
session = VipSession("whole", input_dir="in", pipeline_id="copier/1.0", output_dir="out",
                     input_settings={"file": ["in/a b.txt", "in/c.txt"], "word": "hello"})
session.run_session(refresh_time=1)
session.finish(timeout=60)
"""
    with_vip_client(house, script, tmp_path)
    copies = sorted(path.read_text() for path in (tmp_path / "out").rglob("out.txt"))
    assert copies == ["a b.txt\nhello\n", "c.txt\nhello\n"]
    assert not house.exists("/vip/Home/API/whole")
    assert not (home / "API/whole").exists()


def test_results_lie_on_the_server_and_jobs_fetch_from_it(house: House, home: Path, nginx: Nginx) -> None:
    house.put("/vip/Home/study/in.txt", b"content\n")
    told = house.run("copier/1.0", {"file": "/vip/Home/study/in.txt"}, resultsLocation="/vip/Home/study")
    assert told["status"] == "Finished", told
    [path] = told["returnedFiles"]["copy"]
    assert path.startswith(f"/vip/Home/study/{told['identifier']}/")
    assert house.read(path) == b"content\n\n"
    assert (home / path.removeprefix("/vip/Home/")).read_bytes() == b"content\n\n"
    [line] = house.ok("GET", f"/executions/{told['identifier']}/results").json
    assert (line["path"], line["exists"]) == (path, True)
    fetched = [each for each in nginx.access_log.read_text().splitlines() if "study/in.txt" in each]
    assert any('"GET ' in each for each in fetched)


def test_records_that_an_execution_keeps_beside_its_results_are_left_alone(house: House) -> None:
    house.put("/vip/Home/kept/in.txt", b"x")
    told = house.run("copier/1.0", {"file": "/vip/Home/kept/in.txt"}, resultsLocation="/vip/Home/kept")
    place = f"/vip/Home/kept/{told['identifier']}"
    records = f"/vip/Executions/{told['identifier']}"
    assert house.read(f"{records}/logs/1.1.out") == b"printed\n"
    assert house.ask("GET", f"/path{records}/logs/1.1.out?action=content", user="bob").code == 8000
    for method, path in (
        *(("PUT", f"{place}/new"), ("PUT", f"{place}/1.1/"), ("DELETE", f"{place}/1.1")),
        *(("PUT", f"{records}/logs/1.1.out"), ("PUT", "/vip/Executions/new"), ("DELETE", records)),
    ):
        answer = house.ask(method, f"/path{path}", b"x" if method == "PUT" else None)
        assert (answer.status, answer.code) == (400, 8013), answer
    [path] = told["returnedFiles"]["copy"]
    assert house.ok("DELETE", f"/path{path}").status == 204
    assert not house.ok("GET", f"/executions/{told['identifier']}/results").json[0]["exists"]


def test_a_deleted_execution_has_its_files_in_the_trash_and_a_purged_one_nowhere(
    house: House, home: Path
) -> None:
    house.put("/vip/Home/old/in.txt", b"x")
    ids = [
        house.run("copier/1.0", {"file": "/vip/Home/old/in.txt"}, resultsLocation="/vip/Home/old")[
            "identifier"
        ]
        for _ in range(2)
    ]
    house.ok("PUT", f"/executions/{ids[0]}/delete", {"deleteFiles": True})
    assert not (home / "old" / ids[0]).exists()
    assert house.exists(f"/vip/Trash/{ids[0]}/outputs")
    assert not house.exists(f"/vip/Executions/{ids[0]}")
    thrown = [one["path"] for one in house.ok("GET", "/path/vip/Trash?action=list").json]
    [records] = [path for path in thrown if path.endswith(f"-{ids[0]}")]
    assert house.read(f"{records}/logs/1.1.out") == b"printed\n"
    assert (home / "old" / ids[1]).exists()
    until(lambda: house.engine("audit", "list").out.count(ids[1]) >= 2)  # its end was told
    assert ids[1] in house.engine("purge", "--files", "--older-than", "0").out
    assert not (home / "old" / ids[1]).exists()
    assert (home / "old/in.txt").exists()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_while_the_server_is_away_results_stay_here_and_users_find_them(
    elsewhere: bool, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with start_nginx() as server, desk_in(tmp_path_factory.mktemp("portal")) as desk:
        port = free_port()
        settings = {"ENGINE_PORTAL__TREE": f"{server.url}/vip", "ENGINE_DATA__ROUNDS": "1"}
        if elsewhere:  # jobs send them to the engine, over HTTP
            settings |= {
                "ENGINE_BACKENDS__LOCAL__SIMULATE_REMOTE": "true",
                "ENGINE_API__PUBLIC_URL": f"http://127.0.0.1:{port}",
            }
        with portal(desk, settings, port=port) as house:
            gate = tmp_path / "gate"
            id_ = house.start("waiter/1.0", {"gate": str(gate)})
            until(lambda: house.told(id_)["jobs"]["0"]["status"] == "RUNNING")
            server.program.stop()
            answer = house.ask("GET", "/path/vip/Home?action=list")
            assert (answer.status, answer.code) == (503, 8000)
            assert house.ask("PUT", "/path/vip/Home/new.txt", b"x", Content_Type="text/plain").status == 503
            gate.touch()
            told = house.ended(id_)
            assert told["status"] == "Finished", told
            [path] = told["returnedFiles"]["done"]
            assert path.startswith(f"/vip/Executions/{id_}/outputs/")
            assert house.read(path) == b"done\n"
            assert house.ask("GET", f"/path{path}?action=content", user="bob").code == 8000
            assert house.ask("DELETE", f"/path{path}").code == 8013
            server.program.start()
            house.ok("PUT", f"/executions/{id_}/delete", {"deleteFiles": True})
            assert [each for each in house.storage.parent.rglob("*") if id_ in str(each)] == []


@pytest.mark.parametrize(
    "path",
    ["{top}/vip/users/{bob}/home/secret.txt", "{top}//vip/./users/{bob}", "{top}", "", ".", "./{top}/vip"],
)
def test_the_storage_by_its_own_name_is_no_way_around_whose_files_are_whose(
    house: House, top: str, path: str
) -> None:
    house.put("/vip/Home/secret.txt", b"bob's", user="bob")
    house.put("/vip/Home/mine.txt", b"x")
    there = f"se:{path.format(top=top, bob=house.ids['bob'])}"
    assert house.launch("copier/1.0", {"file": there}).code == 8013
    mine = {"file": "/vip/Home/mine.txt"}
    assert house.launch("copier/1.0", mine, resultsLocation=there).code == 8013


def test_doctor_tries_the_storage_of_the_tree_and_leaves_nothing(
    house: House, nginx: Nginx, top: str
) -> None:
    told = house.desk.run("doctor", variables=dict(house.variables)).out.splitlines()
    assert any("files of the portal" in line and line.startswith("ok") for line in told), told
    assert [path.name for path in (nginx.files / top).iterdir()] in ([], ["vip"])
    other = {**house.variables, "ENGINE_PORTAL__TREE": "http://127.0.0.1:9/vip"}
    done = house.desk.run("doctor", variables=other)
    assert done.code == 3
    assert any("files of the portal" in line and line.startswith("failure") for line in done.out.splitlines())


@pytest.mark.parametrize("tree", ["nowhere:x", "/srv/vip", "file:///srv/vip"])
def test_a_tree_that_is_no_storage_is_told_at_the_start(house: House, tree: str) -> None:
    done = house.desk.run("serve", "--http", variables={**house.variables, "ENGINE_PORTAL__TREE": tree})
    assert done.code == 2
    assert "portal.tree" in done.err
    assert "api.root" in done.err


def test_a_tree_on_logical_names_is_refused_at_the_start_and_by_the_doctor(house: House) -> None:
    variables = {**house.variables, "ENGINE_PORTAL__TREE": "lfn:/vo/portal"}
    done = house.desk.run("serve", "--http", variables=variables)
    assert done.code == 2
    assert "renames nothing" in done.err
    told = house.desk.run("doctor", "--json", variables=variables)
    [found] = [one for one in told.values if one["check"] == "files of the portal"]
    assert found["verdict"] == "failure"


def test_doctor_says_when_the_storage_of_the_tree_removes_nothing(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with start_nginx(methods="PUT MKCOL MOVE") as server:
        variables = {**house.variables, "ENGINE_PORTAL__TREE": f"{server.url}/vip"}
        told = house.desk.run("doctor", "--json", variables=variables)
    [found] = [one for one in told.values if one["check"] == "files of the portal"]
    assert found["verdict"] == "failure"
