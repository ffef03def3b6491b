"""The Python client and the remote command line: the work goes on without them, and is found again."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.client import Client
from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from engine.testing.clock import FakeClock
from tests.cli.desk import Desk, Ran, until
from tests.portal.house import House, portal

pytestmark = pytest.mark.whole


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
    assert client.job(id_, 1)["history"]
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
    with pytest.raises(BadRequest, match=r"^key once was submitted before, as .* with another request"):
        client.submit("failer/1.0", {"code": "3"}, key="once")
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
    for url in (
        *("ftp://x", "x", "http://platform.example.org", "http://localhost:99999", "http://[::1"),
        "https://me:secret@platform.example.org",
    ):
        with pytest.raises(BadRequest) as caught:
            Client(url, "key")
        assert "secret" not in str(caught.value)
    for key in ("", "two words", "ge_x\nge_y", "ge_é"):
        with pytest.raises(BadRequest, match="no API key"):
            Client(house.url, key)
    assert house.keys["ann"] not in repr(Client(house.url, house.keys["ann"]))


ANSWERS = {
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: https://example.org/\r\nContent-Length: 0\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
    "no such method": b"HTTP/1.1 501 Unsupported\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_another_server_is_told_from_a_daemon_at_once(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(ANSWERS[kind])

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with Client(url, "key") as client, pytest.raises(BadRequest, match="no daemon of the engine"):
            client.pipelines()
        thread.join()


def test_whoever_waits_for_a_daemon_is_told_so_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    with Client("http://127.0.0.1:9", "key", clock=clock) as client, pytest.raises(Unavailable):
        client.pipelines()
    assert [record.message.partition(":9 ")[2] for record in caplog.records] == [
        "does not answer: Connection refused; it is asked again for 60 s"
    ]
    assert sum(clock.slept) == pytest.approx(60.0)


def test_jobs_are_named_elsewhere_as_they_are_here(house: House) -> None:
    variables = {"ENGINE_KEY": house.keys["carl"]}

    def engine(*words: str, code: int = 0) -> Ran:
        ran = house.desk.run("--server", house.url, *words, variables=variables)
        assert ran.code == code, ran
        return ran

    house.put("/vip/Home/in.txt", b"content\n", user="carl")
    values = house.desk.write("two.json", {"file": "/vip/Home/in.txt", "word": ["a", "b"]})
    id_ = engine("submit", "copier/1.0", values, "--json").value["id"]
    assert [one["number"] for one in engine("jobs", id_, "--json").values] == [1, 2]
    assert [one["parameters"] for one in engine("jobs", id_, "--json").values][1] == {"word": "b"}
    assert "job 2 is succeeded" in engine("explain", f"{id_[:25]}:2").out
    assert engine("logs", f"{id_}:2", "--follow").out == "printed\n"
    assert "has several jobs" in engine("logs", id_, code=2).err
    for wrong in (f"{id_}:0", f"{id_}:x", f"{id_}:3", "X:1"):
        engine("logs", wrong, code=2)
    assert "was over already" in engine("cancel", id_).err
    assert "nothing to try again" in engine("retry", id_).err
    for words in (
        ("submit", "none.json", values),
        ("submit", "copier/1.0", "none.json"),
        ("files", "put", "none", "/x"),
    ):
        assert "none" in engine(*words, code=2).err
    house.desk.directory.joinpath("into").mkdir(exist_ok=True)
    engine("files", "get", "/vip/Home/in.txt", "into")
    assert (house.desk.directory / "into/in.txt").read_bytes() == b"content\n"


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
    assert told["state"] == "succeeded"
    assert told["id"] in engine("list")
    assert "succeeded" in engine("status")
    assert engine("logs") == "printed\n"
    assert "succeeded" in engine("jobs")
    assert engine("jobs", "--state", "failed", "--json") == ""
    assert "its report is valid" in engine("explain")
    [brought] = [json.loads(line) for line in engine("results", "--download", "home", "--json").splitlines()]
    assert (desk.directory / "home" / brought["name"]).read_text() == "content\nw\n"
    detached = engine("submit", "waiter/1.0", desk.write("w.json", {"gate": "/nowhere"}), "--detach").strip()
    engine("cancel", detached)
    until(lambda: "cancelled" in engine("status", detached))
    engine("submit", "failer/1.0", desk.write("f.json", {"code": "3"}), code=1)
    ran = desk.run("--server", house.url, "list", variables={"ENGINE_KEY": "wrong"})
    assert ran.code == 4
    ran = desk.run("--server", house.url, "list")
    assert (ran.code, "ENGINE_KEY" in ran.err) == (2, True)
    assert "  purge " not in engine("--help")


def test_a_submit_that_is_interrupted_leaves_its_execution_at_the_daemon_alone(house: House) -> None:
    variables = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["carl"]}
    gate = house.desk.write("gate.json", {"gate": "/nowhere"})
    submit = house.desk.start("submit", "waiter/1.0", gate, variables=variables)
    assert submit.stderr is not None
    id_ = submit.stderr.readline().split()[-1]
    submit.send_signal(signal.SIGINT)
    submit.communicate()
    assert submit.returncode == 130
    assert house.told(id_, "carl")["status"] == "Running"
    house.desk.ok("cancel", id_, variables=variables)


def test_a_submit_that_a_platform_does_not_take_says_why_and_what_to_do(house: House) -> None:
    variables = {"ENGINE_SERVER": house.url, "ENGINE_KEY": house.keys["bob"]}
    desk = house.desk
    tool, own = desk.tool("cat [FILE]", {"file": "File"}), desk.write("own.json", {"file": "own.txt"})
    desk.write("own.txt", "mine\n")
    before = desk.ok("list", variables=variables).out
    house.engine("pipeline", "add", tool, "--as", "closed/1.0", "--group", "brain team")
    for words, told in {
        f"{tool} {own}": "engine pipeline propose",  # published, but not for bob
        "failer/1.0 --set code=0 --backend local": "--backend local: a platform chooses",
        "failer/1.0 --set code=0 --bosh-compat": "--bosh-compat",
        "failer/1.0 --set code=0 --results out": "engine results --download out",
        "failer/1.0 --set code=0 --cores 64": "--cores 64: a job of failer gets 1 here",
        "failer/1.0 --set code=0 --runtime docker": "it is not offered here",
        "closed/1.0 --set file=own.txt": "you may not use the pipeline",
        "copier/1.0 --set file=none.txt": f"input file: {desk.directory}/none.txt: no such file",
    }.items():
        ran = desk.run("submit", *words.split(), variables=variables)
        assert (ran.code, told in ran.err) == (2, True), (words, ran)
    planned = desk.ok("submit", "copier/1.0", "--set", "file=own.txt", "--dry-run", variables=variables)
    assert planned.value["inputs"][0]["from"].endswith("/own.txt")
    assert not house.exists("/vip/Home/inputs", "bob"), "nothing is uploaded for what is refused or shown"
    assert desk.ok("list", variables=variables).out == before
