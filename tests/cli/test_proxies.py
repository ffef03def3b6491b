"""HTTP proxies: one policy for files, tools and images (whose tests are with those of registries)."""

from __future__ import annotations

import gzip
import hashlib
import ssl
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cli.desk import Desk
from tests.services.forward_proxy import ForwardProxy, forward_proxy
from tests.services.images import busybox_layer
from tests.services.pki import Pki, make_pki
from tests.services.proot import proot_for_tests

pytestmark = pytest.mark.service


class Quiet(SimpleHTTPRequestHandler):
    """Serves a directory."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A directory that is on the web."""
    (tmp_path / "served").mkdir()
    return tmp_path / "served"


@pytest.fixture
def proxy(served: Path, pki: Pki) -> Iterator[ForwardProxy]:
    """A proxy by which files.example.org is reached, that nobody else knows, with and without TLS."""
    plain, secure = (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) for _ in range(2)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.directory / "host.pem", pki.directory / "host.key")
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    for server in (plain, secure):
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    routes = {
        "files.example.org:80": f"127.0.0.1:{plain.server_port}",
        "files.example.org:443": f"127.0.0.1:{secure.server_port}",
    }
    with forward_proxy(routes=routes) as running:
        yield running
    for server in (plain, secure):
        server.shutdown()
        server.server_close()


def variables(proxy: ForwardProxy, pki: Pki) -> dict[str, str]:
    authority = str(pki.authority)
    return {
        "http_proxy": proxy.url,
        "https_proxy": proxy.url,
        "ENGINE_NODE__AUTHORITIES": authority,
        "ENGINE_DATA__AUTHORITIES": authority,
    }


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_input_comes_by_the_proxy(
    desk: Desk, served: Path, proxy: ForwardProxy, pki: Pki, scheme: str
) -> None:
    (served / "in.txt").write_text("of the world\n")
    tool = desk.tool("cat [FILE] > o", {"file": "File"}, {"o": "o"})
    invocation = desk.write("i.json", {"file": f"{scheme}://files.example.org/in.txt"})
    done = desk.submit(tool, invocation, "--runtime", "none", variables=variables(proxy, pki))
    assert done.read("outputs/o") == "of the world\n"
    asked = {"http": "GET http://files.example.org/in.txt", "https": "CONNECT files.example.org:443"}
    assert asked[scheme] in proxy.seen


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_file_that_the_proxy_cannot_reach_is_told_with_the_proxy(
    desk: Desk, proxy: ForwardProxy, pki: Pki, scheme: str
) -> None:
    tool = desk.tool("cat [FILE] > o", {"file": "File"}, {"o": "o"})
    invocation = desk.write("i.json", {"file": f"{scheme}://nowhere.example.org/in.txt"})
    ran = desk.run("submit", tool, invocation, "--runtime", "none", variables=variables(proxy, pki))
    assert ran.code != 0
    address = proxy.url.partition("://")[2]
    assert f"by the proxy {address} ({scheme}_proxy)" in ran.err


def test_a_file_of_this_machine_never_comes_by_a_proxy(desk: Desk, served: Path) -> None:
    (served / "in.txt").write_text("near\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        tool = desk.tool("cat [FILE] > o", {"file": "File"}, {"o": "o"})
        invocation = desk.write("i.json", {"file": f"http://localhost:{server.server_port}/in.txt"})
        dead = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https", "all")}
        done = desk.submit(tool, invocation, "--runtime", "none", variables=dead)
        server.shutdown()
    assert done.read("outputs/o") == "near\n"


def test_udockers_tools_and_a_root_file_system_come_by_the_proxy(
    desk: Desk, served: Path, proxy: ForwardProxy, pki: Pki, tmp_path: Path
) -> None:
    with tarfile.open(served / "tools.tar.gz", "w:gz") as tar:
        tar.add(proot_for_tests(tmp_path), "udocker_dir/bin/proot")
    (served / "root.tar.gz").write_bytes(gzip.compress(busybox_layer()))
    hashes = {
        name: hashlib.sha256((served / name).read_bytes()).hexdigest()
        for name in ("tools.tar.gz", "root.tar.gz")
    }
    url = "https://files.example.org/root.tar.gz"
    image = {"type": "rootfs", "url": url, "container-hash": hashes["root.tar.gz"]}
    tool = desk.tool("busybox | head -1 > o", outputs={"o": "o"}, container_image=image)
    tools = {
        "ENGINE_NODE__TOOLS": "http://files.example.org/tools.tar.gz",
        "ENGINE_NODE__TOOLS_SHA256": hashes["tools.tar.gz"],
    }
    more = {**variables(proxy, pki), **tools}
    done = desk.submit(tool, desk.write("i.json", {}), "--runtime", "udocker", variables=more)
    assert done.read("outputs/o").startswith("BusyBox")
    assert "GET http://files.example.org/tools.tar.gz" in proxy.seen
