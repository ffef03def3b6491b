"""WebDAV servers keep the promises of every storage: nginx, XRootD; web servers are read."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine.errors import BadRequest, CredentialExpired, Unavailable
from engine.ids import new_id
from engine.ports import Storage
from engine.storages.http import HttpStorage
from engine.storages.sections import StorageSettings
from tests.services.apache import Apache, start_apache
from tests.services.nginx import Nginx
from tests.services.xrootd import XRootD, start_xrootd
from tests.storages.remote import XROOTD_NAMES, Make, RemoteContract, credential, port_of

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def apache() -> Iterator[Apache]:
    with start_apache() as running:
        yield running


def at(port: int, stall: float) -> HttpStorage:
    """A storage at a port."""
    return HttpStorage(StorageSettings(url=f"http://127.0.0.1:{port}", stall=stall))


class TestNginx(RemoteContract):
    @pytest.fixture
    def server(self, nginx: Nginx) -> str:
        return nginx.url

    @pytest.fixture
    def port(self, nginx: Nginx) -> int:
        return port_of(nginx.url)

    @pytest.fixture
    def make(self) -> Make:
        return at


class TestApache(RemoteContract):
    @pytest.fixture
    def server(self, apache: Apache) -> str:
        return apache.url

    @pytest.fixture
    def port(self, apache: Apache) -> int:
        return port_of(apache.url)

    @pytest.fixture
    def make(self) -> Make:
        return at


class TestXRootD(RemoteContract):
    ODD_NAMES = XROOTD_NAMES

    @pytest.fixture
    def server(self, xrootd: XRootD) -> str:
        return xrootd.http

    @pytest.fixture
    def port(self, xrootd: XRootD) -> int:
        return port_of(xrootd.http)

    @pytest.fixture
    def make(self) -> Make:
        return at

    def test_its_own_checksum_is_asked_for(self, storage: Storage, base: str, xrootd: XRootD) -> None:
        url = self.below(base, "a")
        storage.put(b"content", url)
        assert storage.checksum(url, "adler32") == "0bcb02fc"
        file = xrootd.files / url.removeprefix(xrootd.http + "/")
        before = file.stat()
        file.write_bytes(b"CONTENT")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # the server does not see it
        assert storage.checksum(url, "adler32") == "0bcb02fc"
        assert storage.read(url) == b"CONTENT"


@pytest.fixture
def mortal() -> Iterator[XRootD]:
    """A server of one's own to kill."""
    with start_xrootd() as running:
        yield running


def test_a_server_that_dies_under_an_upload_and_is_started_again_gets_it_whole(
    mortal: XRootD, tmp_path: Path
) -> None:
    content = os.urandom(8 << 20)
    (tmp_path / "a").write_bytes(content)
    storage, url = HttpStorage(), f"{mortal.http}/dir/a"
    died: list[int] = []

    def die_once(size: int) -> None:
        if not died:
            mortal.crash()
            died.append(size)

    storage.send(tmp_path / "a", url, die_once)
    assert died
    assert (mortal.files / "dir/a").read_bytes() == content


def test_a_server_that_dies_under_a_download_and_is_started_again_is_asked_for_the_rest(
    mortal: XRootD, tmp_path: Path
) -> None:
    content = os.urandom(8 << 20)
    storage, url = HttpStorage(), f"{mortal.http}/a"
    storage.put(content, url)
    received: list[int] = []

    def die_once(size: int) -> None:
        if not received:
            mortal.crash()
        received.append(size)

    storage.get(url, tmp_path / "a", die_once)
    assert (tmp_path / "a").read_bytes() == content
    assert sum(received) == len(content)


def test_a_server_that_died_between_requests_is_not_noticed(mortal: XRootD) -> None:
    storage, url = HttpStorage(), f"{mortal.http}/a"
    storage.put(b"x", url)
    mortal.crash()
    storage.put(b"y", url)
    assert storage.read(url) == b"y"


@pytest.fixture
def private(nginx: Nginx) -> str:
    return f"{nginx.url}/private/{new_id()}"


def test_the_right_password_opens(private: str, tmp_path: Path) -> None:
    good = credential(tmp_path, "basic", json.dumps({"username": "alice", "password": "secret"}))
    storage = HttpStorage(StorageSettings(url=private, credential=good))
    storage.put(b"x", f"{private}/a")
    assert storage.read(f"{private}/a") == b"x"


def test_a_wrong_password_is_told_as_such_and_not_shown(private: str, tmp_path: Path) -> None:
    wrong = credential(tmp_path, "basic", json.dumps({"username": "alice", "password": "swordfish"}))
    storage = HttpStorage(StorageSettings(url=private, credential=wrong))
    for act in (
        lambda: storage.stat(f"{private}/a"),
        lambda: storage.put(b"x", f"{private}/a"),
        lambda: storage.get(f"{private}/a", tmp_path / "a"),
        lambda: storage.list(private),
        lambda: storage.delete(f"{private}/a"),
    ):
        with pytest.raises(CredentialExpired) as told:
            act()
        assert "swordfish" not in str(told.value)


def test_a_storage_that_cannot_rename_is_written_to_directly(nginx: Nginx) -> None:
    storage = HttpStorage(StorageSettings(url=nginx.url, rename=False))
    url = f"{nginx.url}/{new_id()}/a"
    storage.put(b"x", url)
    assert storage.read(url) == b"x"
    assert not storage.capabilities.rename


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server that knows GET and HEAD only, with the files `a` and `dir/b`."""
    (tmp_path / "files/dir").mkdir(parents=True)
    (tmp_path / "files/a").write_bytes(b"0123456789")
    (tmp_path / "files/dir/b").write_bytes(b"b")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "files"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_plain_web_server_is_read(web: str, tmp_path: Path) -> None:
    storage = HttpStorage()
    found = storage.stat(f"{web}/a")
    assert found is not None
    assert found.size == 10
    storage.get(f"{web}/a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"0123456789"
    assert storage.read(f"{web}/a", 2, 3) == b"234"  # it sends the whole file, whatever is asked for
    assert storage.stat(f"{web}/nothing") is None


def test_a_plain_web_server_takes_and_lists_nothing(web: str) -> None:
    storage = HttpStorage()
    with pytest.raises(BadRequest, match="cannot list"):
        storage.list(f"{web}/dir/")
    with pytest.raises(BadRequest):
        storage.put(b"x", f"{web}/b")


class _Faulty(BaseHTTPRequestHandler):
    """A WebDAV server with one fault, named by the first part of the path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(507 if self.path.startswith("/full") else 201)

    def do_GET(self) -> None:
        self._answer(200, b"content", Digest="adler32=deadbeef")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.server.deleted.append(self.path)  # type: ignore[attr-defined]
        self._answer(204)


@pytest.fixture
def faulty() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Faulty) as server:
        server.daemon_threads = True
        server.deleted = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_a_full_storage_may_have_room_later(faulty: ThreadingHTTPServer) -> None:
    with pytest.raises(Unavailable, match="507") as told:
        HttpStorage().put(b"content", f"http://127.0.0.1:{faulty.server_port}/full/a")
    assert "free some space" in told.value.remedy


def test_an_upload_that_the_storage_sums_otherwise_is_refused_and_removed(
    faulty: ThreadingHTTPServer,
) -> None:
    with pytest.raises(Unavailable, match="adler32"):
        HttpStorage().put(b"content", f"http://127.0.0.1:{faulty.server_port}/sum/a")
    [removed] = faulty.deleted  # type: ignore[attr-defined]
    assert removed.endswith(".part")


def test_a_download_that_the_storage_sums_otherwise_is_refused(
    faulty: ThreadingHTTPServer, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="adler32"):
        HttpStorage().get(f"http://127.0.0.1:{faulty.server_port}/sum/a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
