"""The Python client and the remote command line: the work goes on without them, and is found again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.client import Client
from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from tests.cli.desk import Desk, until
from tests.portal.house import House, portal


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    with Client(house.url, house.keys["ann"]) as client:
        yield client


def test_everything_that_a_user_does(house: House, client: Client, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    (source / "a b.txt").write_bytes(b"one\n")
    (source / "sub/c.bin").write_bytes(bytes(range(256)) * 20_000)
    client.upload(source, "/vip/Home/client")
    assert client.exists("/vip/Home/client/sub/c.bin")
    assert [one["path"] for one in client.list("/vip/Home/client")] == [
        "/vip/Home/client/a b.txt",
        "/vip/Home/client/sub",
    ]
    client.download("/vip/Home/client/sub/c.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == (source / "sub/c.bin").read_bytes()
    assert "copier/1.0" in [one["identifier"] for one in client.pipelines()]
    values = {"file": "/vip/Home/client/a b.txt", "word": ["x", "y"]}
    id_ = client.submit("copier/1.0", values, name="by client", results="/vip/Home/client/out")
    assert client.executions(limit=1)[0]["identifier"] == id_
    assert client.wait(id_, poll=0.1)["status"] == "Finished"
    assert client.log(id_, 1, "stdout") == b"printed\n"
    assert [one["parameters"] for one in client.jobs(id_)] == [{"word": "x"}, {"word": "y"}]
    assert list(client.jobs(id_, "ERROR")) == []
    assert client.job(id_, 1)["story"]
    found = client.download_results(id_, tmp_path / "results")
    assert sorted(path.read_text() for path in found) == ["one\nx\n", "one\ny\n"]
    assert not list(tmp_path.rglob(".*"))
    client.kill(id_)
    with pytest.raises(NotFound):
        client.status(id_)
    client.delete("/vip/Home/client")
    assert not client.exists("/vip/Home/client")


def test_a_key_of_ones_own_makes_two_submits_one(house: House, client: Client) -> None:
    values = {"code": "0"}
    first = client.submit("failer/1.0", values, key="once")
    assert client.submit("failer/1.0", values, key="once") == first
    with Client(house.url, house.keys["bob"]) as other:
        assert other.submit("failer/1.0", values, key="once") != first
        with pytest.raises(NotFound):
            other.status(first)


def test_what_was_stopped_is_restarted(client: Client, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    id_ = client.submit("waiter/1.0", {"gate": str(gate)})
    client.stop(id_)
    assert client.wait(id_, poll=0.1)["status"] == "Killed"
    gate.touch()
    client.restart(id_)
    assert client.wait(id_, poll=0.1)["status"] == "Finished"


def test_a_daemon_that_dies_and_comes_back_is_waited_for(desk: Desk, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with portal(desk) as first:
        client = Client(first.url, first.keys["ann"], patience=250)
        id_ = client.submit("waiter/1.0", {"gate": str(gate)})
        first.process.kill()
        first.process.wait()
        ended: list[str] = []
        waiting = threading.Thread(target=lambda: ended.append(client.wait(id_, poll=0.1)["status"]))
        waiting.start()
    with portal(desk, port=int(first.url.rpartition(":")[2])):
        gate.touch()
        waiting.join()
    client.close()
    assert ended == ["Finished"]


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda c: c.submit("none/1", {}), BadRequest, "no pipeline"),
        (lambda c: c.submit("failer/1.0", {}), BadRequest, "code is missing"),
        (lambda c: c.status("X"), NotFound, "no execution"),
        (lambda c: c.download("/vip/Home/none", Path("x")), BadRequest, "no such file"),
        (lambda c: c.list("/etc"), BadRequest, "no access"),
    ],
)
def test_what_is_refused_is_told_in_one_line(
    client: Client, act: Callable[[Client], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        act(client)


def test_a_wrong_key_and_a_dead_daemon_are_told_apart(house: House) -> None:
    with Client(house.url, "wrong") as wrong, pytest.raises(CredentialExpired):
        wrong.pipelines()
    with pytest.raises(Unavailable, match="does not answer"):
        Client("http://127.0.0.1:9", "key", patience=0).pipelines()
    for url in ("ftp://x", "x", "http://platform.example.org"):
        with pytest.raises(BadRequest):
            Client(url, "key")
    assert house.keys["ann"] not in repr(Client(house.url, house.keys["ann"]))


def test_the_remote_command_line_does_the_same(house: House) -> None:
    variables = {"ENGINE_KEY": house.keys["bob"]}
    desk = house.desk

    def engine(*words: str, code: int = 0) -> str:
        ran = desk.run("--server", house.url, *words, variables=variables)
        assert ran.code == code, ran
        return str(ran.out)

    desk.write("in.txt", "content\n")
    engine("files", "put", "in.txt", "/vip/Home/remote/in.txt")
    assert engine("files", "list", "/vip/Home/remote") == "/vip/Home/remote/in.txt\n"
    assert "copier/1.0" in engine("pipelines")
    invocation = desk.write("i.json", {"file": "/vip/Home/remote/in.txt", "word": "w"})
    told = json.loads(engine("submit", "copier/1.0", invocation, "--json"))
    assert told["status"] == "Finished"
    assert told["identifier"] in engine("list")
    assert "Finished" in engine("status")
    assert engine("logs") == "printed\n"
    assert "COMPLETED" in engine("jobs")
    assert engine("jobs", "--status", "ERROR", "--json") == ""
    assert "its report is good" in engine("explain")
    [path] = engine("results", "--download", "remote results").split("\n")[:-1]
    assert (desk.directory / path).read_text() == "content\nw\n"
    detached = engine("submit", "waiter/1.0", desk.write("w.json", {"gate": "/nowhere"}), "--detach").strip()
    engine("cancel", detached)
    until(lambda: "Killed" in engine("status", detached))
    engine("submit", "failer/1.0", desk.write("f.json", {"code": "3"}), code=1)
    ran = desk.run("--server", house.url, "list", variables={"ENGINE_KEY": "wrong"})
    assert ran.code == 4
    ran = desk.run("--server", house.url, "list")
    assert (ran.code, "ENGINE_KEY" in ran.err) == (2, True)
    assert "purge" not in engine("--help")
