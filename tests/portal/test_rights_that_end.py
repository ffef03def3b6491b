"""Who leaves a group, or is locked out, has nothing of it any more: not by what was started before either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.desk import Desk
from tests.portal.house import GROUP, House, portal

pytestmark = pytest.mark.whole

SHARED = f"/vip/{GROUP} (group)"
READER = {
    "name": "reader",
    "description": "Prints a file, and fails",
    "tool-version": "1.0",
    "schema-version": "0.5",
    "command-line": "cat [FILE]; false",
    "inputs": [{"id": "file", "name": "file", "type": "File", "value-key": "[FILE]"}],
}


@contextmanager
def outside(house: House, group: str = GROUP, user: str = "ann") -> Iterator[None]:
    """While a user is no member of a group."""
    path = f"/admin/groups/{group}/members/{user}".replace(" ", "%20")
    house.ok("DELETE", path, user="root")
    try:
        yield
    finally:
        house.ok("PUT", path, user="root")


@pytest.fixture(scope="module")
def shared(house: House) -> House:
    """The same, with something in the group's directory."""
    house.ok("POST", "/admin/pipelines", {"descriptor": READER}, user="root")
    house.put("/vip/Home/word", b"word")
    return house


def quoted(path: str) -> str:
    return path.replace(" ", "%20")


def test_a_former_member_takes_no_directory_of_the_group_along(shared: House) -> None:
    told = shared.run("copier/1.0", {"file": "/vip/Home/word"}, resultsLocation=f"{SHARED}/taken")
    directory = told["returnedFiles"]["copy"][0].rpartition("/")[0]
    with outside(shared):
        shared.put(quoted(f"{directory}/notes"), b"of the group", user="carl")
        id_ = told["identifier"]
        for method, path, body in (
            ("PUT", f"/executions/{id_}/delete", {"deleteFiles": True}),
            ("DELETE", f"/executions/{id_}?deleteFiles=true", None),
        ):
            answer = shared.ask(method, path, body)
            assert (answer.status, answer.code) == (400, 8013)
            assert "not yours any more" in answer.json["errorMessage"]
        assert shared.read(quoted(f"{directory}/notes"), "carl") == b"of the group"
        assert shared.ok("GET", "/path/vip/Trash?action=list").json == []
        shared.ok("PUT", f"/executions/{id_}/delete", {"deleteFiles": False})
    assert shared.read(quoted(f"{directory}/notes")) == b"of the group"


def test_a_former_member_is_told_neither_results_nor_where_they_lie(shared: House) -> None:
    told = shared.run("copier/1.0", {"file": "/vip/Home/word"}, resultsLocation=f"{SHARED}/told")
    with outside(shared):
        for path in ("", "/results", "/jobs", "/jobs/0"):
            text = shared.ok("GET", f"/executions/{told['identifier']}{path}").body.decode()
            assert str(shared.storage) not in text
            assert "file:" not in text
            assert "out.txt" not in text
    assert shared.told(told["identifier"])["returnedFiles"] == told["returnedFiles"]


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_a_former_member_runs_nothing_again_that_reads_or_writes_there(shared: House, slashes: str) -> None:
    shared.put(quoted(f"{SHARED}/data"), b"first")
    reads = shared.run("reader/1.0", {"file": f"{slashes}{SHARED[1:]}/data"})
    writes = shared.run(
        "reader/1.0", {"file": "/vip/Home/word"}, resultsLocation=f"{slashes}{SHARED[1:]}/again"
    )
    with outside(shared):
        shared.put(quoted(f"{SHARED}/data"), b"second", user="carl")
        for one in (reads, writes):
            answer = shared.ask("PUT", f"/executions/{one['identifier']}/restart")
            assert (answer.status, answer.code) == (400, 8013)
        assert shared.ok("GET", f"/executions/{reads['identifier']}/stdout").body == b"first"
    assert shared.ask("PUT", f"/executions/{reads['identifier']}/restart").status == 200
    shared.ended(reads["identifier"])


def test_a_pipeline_that_is_not_shared_any_more_runs_not_again(shared: House) -> None:
    own = {**READER, "name": "of the team"}
    shared.ok("POST", "/admin/pipelines", {"descriptor": own, "groups": [GROUP]}, user="root")
    told = shared.run("of the team/1.0", {"file": "/vip/Home/word"})
    with outside(shared):
        answer = shared.ask("PUT", f"/executions/{told['identifier']}/restart")
        assert (answer.status, answer.code) == (400, 8008)


class _Slow(BaseHTTPRequestHandler):
    """A storage that answers when it is told to."""

    asked: threading.Event
    go: threading.Event

    def do_HEAD(self) -> None:
        """Answer, late."""
        self.asked.set()
        self.go.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()

    do_GET = do_PROPFIND = do_HEAD  # noqa: N815 - names of the methods of HTTP

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_what_is_being_launched_when_an_account_is_locked_does_not_start(desk: Desk, tmp_path: Path) -> None:
    class Slow(_Slow):
        asked, go = threading.Event(), threading.Event()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/data"
    try:
        with portal(desk, {"ENGINE_STORAGES__SLOW__URL": url}) as house, ThreadPoolExecutor(1) as threads:
            launched = threads.submit(house.launch, "copier/1.0", {"file": "slow:a.txt"}, "carl")
            assert Slow.asked.wait(60)
            house.engine("user", "lock", "carl", "--now")
            Slow.go.set()
            answer = launched.result()
            assert answer.status in (400, 401), answer  # its jobs may have been written in part
            house.engine("user", "unlock", "carl")
            assert house.ok("GET", "/executions", user="carl").json == []
    finally:
        Slow.go.set()
        server.shutdown()
        server.server_close()
