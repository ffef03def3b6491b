"""Directories as results: brought whole, also where results overlap, by our clients and by the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.client import Client
from engine.errors import BadRequest
from tests.cli.desk import Desk
from tests.portal.client import with_vip_client
from tests.portal.house import COPIER, House

pytestmark = pytest.mark.whole

MAKER = {
    **COPIER,
    "name": "maker",
    "command-line": "cat [FILE] > plain.txt; mkdir -p out/sub/deep out/empty 'out/a b'; echo a > out/a.txt; "
    "echo b > out/sub/deep/b.txt; : > out/nothing; echo c > 'out/a b/ü #?.txt'; echo [WORD]",
    "output-files": [
        {"id": "inner", "name": "inner", "path-template": "out/a.txt"},
        {"id": "all", "name": "all", "path-template": "out"},
        {"id": "sub", "name": "sub", "path-template": "out/sub"},
        {"id": "plain", "name": "plain", "path-template": "plain.txt"},
    ],
}
WHOLE = {
    "out/a.txt": "a\n",
    "out/sub/deep/b.txt": "b\n",
    "out/nothing": "",
    "out/a b/ü #?.txt": "c\n",
    "plain.txt": "x\n",
}


def found_in(directory: Path) -> dict[str, str]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[str]:
    """A server that answers an action with a document, whatever the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers[self.path.partition("action=")[2]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def execution(house: House) -> str:
    """An execution whose results are directories, files in them, and a file."""
    house.engine("pipeline", "add", house.desk.write("maker.json", MAKER))
    house.put("/vip/Home/in.txt", b"x\n")
    told = house.run("maker/1.0", {"file": "/vip/Home/in.txt"})
    assert told["status"] == "Finished", told
    return str(told["identifier"])


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    with Client(house.url, house.keys["ann"]) as client:
        yield client


def test_the_remote_command_line_brings_directories_with_all_they_hold(house: House, execution: str) -> None:
    variables = {"ENGINE_KEY": house.keys["ann"]}
    words = ("--server", house.url, "results", execution, "--download", "remote")
    ran = house.desk.ok(*words, variables=variables)
    assert found_in(house.desk.directory / "remote") == WHOLE
    assert (house.desk.directory / "remote/out/empty").is_dir()
    assert sorted(line.split("\t")[2] for line in ran.out.splitlines()[1:]) == [
        "out",
        "out/a.txt",
        "out/sub",
        "plain.txt",
    ]
    assert ran.lines == ["engine: 4 results are in remote"]
    house.desk.ok(*words, variables=variables)
    assert found_in(house.desk.directory / "remote") == WHOLE, "a second time changes nothing"
    assert not list((house.desk.directory / "remote").rglob(".*"))


def test_the_python_client_brings_them_too(client: Client, execution: str, tmp_path: Path) -> None:
    assert sorted(client.download_results(execution, tmp_path / "into")) == [
        tmp_path / "into/out",
        tmp_path / "into/plain.txt",
    ]
    assert found_in(tmp_path / "into") == WHOLE


def test_what_lies_in_a_directory_is_no_result_of_its_own_but_is_found_by_its_output(
    house: House, execution: str
) -> None:
    results = house.ok("GET", f"/executions/{execution}/results").json
    assert sorted((one["name"], one["isDirectory"]) for one in results) == [
        ("out", True),
        ("plain.txt", False),
    ]
    assert set(house.told(execution)["returnedFiles"]) == {"inner", "all", "sub", "plain"}


@pytest.mark.service
def test_the_real_client_brings_results_that_overlap(house: House, execution: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/in.txt").write_text("x\n")
    script = """
VipSession.init(api_key=KEY, vip_portal_url=URL)
session = VipSession("overlap", input_dir="in", pipeline_id="maker/1.0", output_dir="out",
                     input_settings={"file": "in/in.txt"})
session.run_session(refresh_time=1)
session.finish(timeout=60)
"""
    with_vip_client(house, script, tmp_path)
    [plain] = (tmp_path / "out").rglob("plain.txt")
    assert found_in(plain.parent) == WHOLE


def test_a_directory_of_the_tree_is_brought_like_a_file(house: House, execution: str) -> None:
    variables = {"ENGINE_KEY": house.keys["ann"]}
    (house.desk.directory / "tree/sub").mkdir(parents=True)
    (house.desk.directory / "tree/sub/x").write_text("1")
    (house.desk.directory / "tree/none").touch()
    house.desk.ok("--server", house.url, "files", "put", "tree", "/vip/Home/tree", variables=variables)
    house.desk.ok("--server", house.url, "files", "get", "/vip/Home/tree", "back", variables=variables)
    assert found_in(house.desk.directory / "back") == {"sub/x": "1", "none": ""}


def test_what_is_in_the_way_is_told_and_the_other_results_come(house: House, execution: str) -> None:
    blocked = house.desk.directory / "blocked"
    blocked.mkdir()
    (blocked / "out").write_text("mine")
    words = ("--server", house.url, "results", execution, "--download", "blocked")
    ran = house.desk.run(*words, variables={"ENGINE_KEY": house.keys["ann"]})
    assert (ran.code, ran.err) == (2, "engine: blocked/out: File exists\n")
    assert found_in(blocked) == {"out": "mine", "plain.txt": "x\n"}


def test_a_daemon_that_tells_names_leading_elsewhere_writes_nothing(tmp_path: Path) -> None:
    answers = {
        "properties": {"exists": True, "isDirectory": True},
        "list": [{"path": "/vip/Home/x/..", "isDirectory": False}],
    }
    refused = pytest.raises(BadRequest, match="leads elsewhere")
    with answering(answers) as url, Client(url, "key") as client, refused:
        client.download("/vip/Home/x", tmp_path / "x")
    assert found_in(tmp_path) == {}


def test_results_that_overlap_come_home_whole_without_a_portal(desk: Desk) -> None:
    tool = desk.write("maker.json", MAKER)
    desk.write("in.txt", "x\n")
    desk.submit(tool, desk.write("i.json", {"file": "in.txt"}), "--runtime", "none")
    ran = desk.ok("results", "--download", "home", "--json")
    assert found_in(desk.directory / "home") == WHOLE
    assert sorted(one["name"] for one in ran.values) == ["out", "out/a.txt", "out/sub", "plain.txt"]


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain", "application/gzip"])
def test_an_empty_body_of_a_type_is_an_empty_file(house: House, kind: str) -> None:
    path = f"/path/vip/Home/empty-{kind.rpartition('/')[2]}"
    answer = house.ok("PUT", path, b"", Content_Type=kind).json
    assert (answer["isDirectory"], answer["size"]) == (False, 0)
    assert house.ok("PUT", f"{path}-none", b"").json["isDirectory"], "and nothing at all a directory"


@pytest.mark.parametrize("value", ["", ["/vip/Home/in.txt", ""], "/vip/Home/none", "file:/etc/passwd", "x:y"])
def test_a_file_that_is_refused_is_told_with_its_input(house: House, execution: str, value: object) -> None:
    answer = house.launch("copier/1.0", {"file": value, "word": "w"})
    assert answer.status == 400
    assert answer.json["errorMessage"].startswith("input file: "), answer.json
