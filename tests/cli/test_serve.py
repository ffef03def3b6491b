"""`engine serve` as an administrator has it: it answers, stops, dies and starts again."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from tests.cli.desk import Desk, ended, until
from tests.cli.served import Served, a_client, answers, serving
from wrappers.transfer.client import NOBODY, Access, Bytes

pytestmark = pytest.mark.whole

PIECE = bytes(range(256)) * 4096


@pytest.fixture
def served(desk: Desk) -> Iterator[Served]:
    with serving(desk) as served:
        yield served


def test_it_stops_when_it_is_told_to_and_says_so(served: Served) -> None:
    served.process.send_signal(signal.SIGTERM)
    ran = ended(served.process)
    assert ran.code == 0
    events = [json.loads(line)["event"] for line in ran.lines]
    assert events[-1] == "stopped"
    assert not answers(served.url)


def test_without_a_public_url_nothing_listens(desk: Desk) -> None:
    ran = desk.ok("serve", "--until-idle")
    assert "http" not in json.loads(next(line for line in ran.lines if '"serving"' in line))
    assert not (desk.home / ".local/share/boutiques-engine/storage").exists()


def test_a_port_that_is_taken_is_named_with_the_setting(desk: Desk) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = desk.run("serve", "--http", variables={"ENGINE_API__LISTEN": f"127.0.0.1:{port}"})
    assert ran.code == 3
    assert f"engine: cannot listen on 127.0.0.1:{port}: Address already in use" in ran.err
    assert "api.listen" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ENGINE_API__LISTEN", "nonsense", "api.listen: nonsense is no ADDRESS:PORT"),
        ("ENGINE_API__LISTEN", "127.0.0.1:99999", "api.listen: 127.0.0.1:99999 is no ADDRESS:PORT"),
        ("ENGINE_API__PUBLIC_URL", "ftp://x", "api.public_url: ftp://x is no plain http(s) URL"),
        ("ENGINE_API__PUBLIC_URL", "http://engine.example.org", "readable on the way"),
    ],
)
def test_settings_that_cannot_be_are_refused(desk: Desk, name: str, value: str, words: str) -> None:
    ran = desk.run("serve", "--http", variables={name: value})
    assert ran.code == 2
    assert words in ran.err
    assert len(ran.lines) <= 3 + ran.err.count('"event"')


def test_a_second_service_on_the_same_storage_is_refused(served: Served) -> None:
    ran = served.desk.run("serve", variables={**served.variables, "ENGINE_API__LISTEN": "127.0.0.1:0"})
    assert ran.code == 3
    assert "another engine serves the storage" in ran.err


def test_a_key_that_others_may_read_is_refused(served: Served) -> None:
    served.token()
    served.process.send_signal(signal.SIGTERM)
    served.process.wait()
    served.key_file.chmod(0o644)
    ran = served.desk.run("serve", variables=served.variables)
    assert ran.code == 2
    assert f"chmod 600 {served.key_file}" in ran.err
    assert served.key_file.read_text().strip() not in ran.err


def test_what_a_killed_service_was_receiving_is_nowhere(served: Served) -> None:
    address = served.url.removeprefix("http://").split(":")
    head = f"PUT /se/e/1/a/out HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token()}\r\n"
    with socket.create_connection((address[0], int(address[1]))) as client:
        client.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())
        try:
            for _ in range(20):
                client.sendall(PIECE)
        except OSError:
            raise AssertionError(f"it hung up: {client.recv(1000)!r}") from None
        until(lambda: [p for p in (served.storage / ".parts").iterdir() if p.stat().st_size])
        served.process.kill()
        served.process.wait()
    assert [p for p in served.storage.rglob("*") if p.is_file() and p.parent.name != ".parts"] == []
    with serving(served.desk):
        assert [p for p in served.storage.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("size", [1 << 30, pytest.param(10 << 30, marks=pytest.mark.long)])
def test_big_files_go_through_in_flat_memory(served: Served, tmp_path: Path, size: int) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(size)
    header = f"Authorization: Bearer {served.token()}"
    before = served.peak()
    curl = ["curl", "-sf", "-H", header, f"{served.url}/se/e/big"]
    subprocess.run([*curl, "-T", tmp_path / "big"], check=True, stdout=subprocess.DEVNULL)
    assert (served.storage / "e/big").stat().st_size == size
    with subprocess.Popen(curl, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        received = 0
        while piece := process.stdout.read(1 << 20):
            received += len(piece)
    assert (process.returncode, received) == (0, size)
    assert served.peak() - before < 48 << 20


def test_no_secret_is_in_the_log(served: Served) -> None:
    token = served.token()
    ours, theirs = (Access({"Authorization": f"Bearer {t}"}) for t in (token, "claim-of-nobody"))
    with a_client() as client:
        for method, path in (("PUT", "e/a"), ("GET", "e/a"), ("GET", "e/nothing?token=presigned-secret")):
            body = Bytes(b"x") if method == "PUT" else None
            with client.request(method, f"{served.url}/se/{path}", {}, body, ours) as answer:
                answer.read()
        with client.request("POST", f"{served.url}/node/exchange", {}, Bytes(b"{}"), theirs) as answer:
            assert answer.status == 401
    served.process.send_signal(signal.SIGTERM)
    ran = ended(served.process)
    for secret in (token, served.key_file.read_text().strip(), "claim-of-nobody", "presigned-secret"):
        assert secret not in ran.out + ran.err


def test_a_keys_file_of_a_platform_is_its_owners_alone_and_never_shown(desk: Desk) -> None:
    desk.write("engine.yaml", "storages:\n  warehouse: {url: 'girder://127.0.0.1:1/collection/x'}\n")
    options = ("--config", "engine.yaml", "keys")
    with (desk.directory / "key").open("w+") as key:
        key.write("k3y-that-must-not-show\n")
        key.seek(0)
        added = desk.ok(*options, "add", "warehouse", stdin=key)
    listed = desk.ok(*options, "list", "--json")
    assert [found["platform"] for found in listed.values] == ["warehouse"]
    assert "k3y" not in added.out + added.err + listed.out + desk.ok(*options, "list").out
    [file] = [p for p in (desk.home / ".local/share/boutiques-engine/keys").rglob("*") if p.is_file()]
    assert file.read_text() == "k3y-that-must-not-show\n"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    desk.ok(*options, "remove", "warehouse")
    assert not file.exists()
    assert desk.run(*options, "remove", "warehouse").code == 2


def test_a_key_is_one_word_and_its_platform_is_known(desk: Desk) -> None:
    desk.write("engine.yaml", "storages:\n  warehouse: {url: 'girder://127.0.0.1:1/collection/x'}\n")
    for text in ("", "\n", "two words\n", "kéy\n", "x" * 5000):
        (desk.directory / "key").write_text(text)
        with (desk.directory / "key").open() as key:
            ran = desk.run("--config", "engine.yaml", "keys", "add", "warehouse", stdin=key)
        assert (ran.code, ran.lines) == (2, ["engine: an API key is one word, on one line"])
    ran = desk.run("--config", "engine.yaml", "keys", "add", "../../x")
    assert ran.code == 2
    assert "no storage is called ../../x" in ran.err
    assert "warehouse" in ran.err


UNKNOWN = ("/docs", "/openapi.json", "/redoc", "/se", "/se/", "/node", "/../etc/passwd")


def test_what_is_not_there_is_not_there(served: Served) -> None:
    with a_client() as client:
        for path in UNKNOWN:
            with client.request("GET", f"{served.url}{path}", {}, None, NOBODY) as answer:
                answer.read()
            assert answer.status in (401, 404, 405), path


def jwt(**fields: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, fields)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + ".c2ln"


def test_the_doctor_tells_how_long_credentials_last_and_whether_the_engine_is_reached(served: Served) -> None:
    desk, now = served.desk, SystemClock().now()
    lines = []
    for name, left in (("long", 100), ("short", 2), ("over", -3)):
        path = desk.directory / name
        path.write_text(jwt(exp=now + left * 3600, secret="s3cr3t"))
        path.chmod(0o600)
        lines.append(f"  {name}: {{kind: token, file: {path}}}\n")
    lines.append(f"  lost: {{kind: proxy, file: {desk.directory / 'nothing'}}}\n")
    desk.write("engine.yaml", "credentials:\n" + "".join(lines))
    ran = desk.run("--config", "engine.yaml", "doctor", "--json", variables=served.variables)
    assert ran.code == 3
    found = {one["check"]: (one["verdict"], one["message"]) for one in ran.values}
    assert found["credential long"] == ("ok", "100.0 hours left")
    assert found["credential short"] == ("warning", "2.0 hours left")
    assert found["credential over"] == ("failure", "ended 3.0 hours ago")
    assert found["credential lost"][0] == "failure"
    assert found["public URL"] == ("ok", f"an engine answers at {served.url}, seen from here")
    assert "c2ln" not in ran.out
    served.process.kill()
    served.process.wait()
    ran = desk.run("doctor", "--json", variables=served.variables)
    assert next(one for one in ran.values if one["check"] == "public URL")["verdict"] == "warning"
