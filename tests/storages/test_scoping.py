"""What may travel to a worker node: a token that its issuer has scoped down, and nothing else."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from engine.errors import BadRequest, CredentialExpired, Unavailable
from engine.ports import CredentialKind
from engine.storages.credentials import CredentialFile
from engine.storages.scoping import scope_down
from engine.storages.sections import StorageSettings
from engine.testing.clock import FakeClock
from tests.services.registry import free_port

pytestmark = pytest.mark.whole

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SE = "https://se.example.org/vo/data"


def jwt(**fields: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, fields)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + ".c2ln"


@dataclass
class Issuer:
    """An issuer of tokens, and what it was asked."""

    url: str
    authorities: str
    now: float
    kinds: list[str] = field(default_factory=lambda: [EXCHANGE])
    status: int = 200
    scope: str | None = None
    """What it gives whatever was asked for."""
    opaque: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "token_endpoint": f"{self.url}/token",
            "grant_types_supported": self.kinds,
        }

    def give(self, form: dict[str, str]) -> dict[str, Any]:
        self.asked.append(form)
        scope = form["scope"] if self.scope is None else self.scope
        if self.opaque:
            return {"access_token": "opaque", "scope": scope}
        return {"access_token": jwt(iss=self.url, scope=scope, exp=self.now + 1200)}


def handler(issuer: list[Issuer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/.well-known/openid-configuration"
            self.reply(200 if known else 404, issuer[0].configuration())

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = issuer[0].give({name: value[0] for name, value in parse_qs(text).items()})
            self.reply(issuer[0].status, given)

        def reply(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{issuer[0].url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("issuer") / "pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(words, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def issuer(certificate: Path, clock: FakeClock) -> Iterator[Issuer]:
    holder: list[Issuer] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(holder)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_port}"
        holder.append(Issuer(url, f"{certificate}.crt", clock.now()))
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield holder[0]
        server.shutdown()


def place(issuer: Issuer, tmp_path: Path, clock: FakeClock, **fields: object) -> StorageSettings:
    """A storage whose credential is a token of that issuer."""
    token = jwt(**{"iss": issuer.url, "exp": clock.now() + 86_400, "scope": "storage.modify:/", **fields})
    return storage(tmp_path, clock, "token", token, issuer.authorities)


def storage(
    tmp_path: Path, clock: FakeClock, kind: CredentialKind, text: str, trusted: str = ""
) -> StorageSettings:
    file = tmp_path / "credential"
    file.write_text(text)
    file.chmod(0o600)
    credential = CredentialFile("mine", kind, file, clock)
    return StorageSettings(url=SE, credential=credential, authorities=trusted)


@pytest.mark.parametrize(
    ("url", "method", "scope"),
    [
        (f"{SE}/dir/file", "GET", "storage.read:/dir/file"),
        (f"{SE}/dir/with%20space", "PUT", "storage.modify:/dir/with%20space storage.read:/dir/with%20space"),
    ],
)
def test_a_token_is_scoped_down_to_one_path_and_purpose(
    issuer: Issuer, tmp_path: Path, clock: FakeClock, url: str, method: str, scope: str
) -> None:
    held = place(issuer, tmp_path, clock)
    grant = scope_down(url, method, 3600, held, clock)
    [asked] = issuer.asked
    assert (asked["grant_type"], asked["scope"]) == (EXCHANGE, scope)
    assert (grant.url, grant.method, grant.expires) == (url, method, clock.now() + 1200)
    travels = grant.headers["Authorization"].removeprefix("Bearer ")
    assert travels != asked["subject_token"]
    assert json.loads(base64.urlsafe_b64decode(travels.split(".")[1] + "=="))["scope"] == scope


def test_an_opaque_token_counts_by_what_its_issuer_says_of_it(
    issuer: Issuer, tmp_path: Path, clock: FakeClock
) -> None:
    issuer.opaque = True
    grant = scope_down(f"{SE}/a", "GET", 3600, place(issuer, tmp_path, clock), clock)
    assert (grant.headers["Authorization"], grant.expires) == ("Bearer opaque", clock.now() + 3600)


@pytest.mark.parametrize(
    "scope", ["storage.modify:/", "storage.read:/", "storage.read:/a storage.modify:/a", ""]
)
@pytest.mark.parametrize("opaque", [True, False])
def test_a_token_for_more_than_was_asked_for_stays(
    issuer: Issuer, tmp_path: Path, clock: FakeClock, scope: str, opaque: bool
) -> None:
    issuer.scope, issuer.opaque = scope, opaque
    with pytest.raises(BadRequest, match=r"for more than storage\.read:/a: it stays here"):
        scope_down(f"{SE}/a", "GET", 3600, place(issuer, tmp_path, clock), clock)


def test_an_issuer_that_exchanges_nothing_is_named(issuer: Issuer, tmp_path: Path, clock: FakeClock) -> None:
    issuer.kinds = ["client_credentials"]
    with pytest.raises(BadRequest, match=r"issuer of credential mine, .*, exchanges no tokens"):
        scope_down(f"{SE}/a", "GET", 3600, place(issuer, tmp_path, clock), clock)
    assert issuer.asked == []


@pytest.mark.parametrize(("status", "kind"), [(400, BadRequest), (307, BadRequest), (503, Unavailable)])
def test_a_refusal_of_the_issuer_is_told_without_the_token(
    issuer: Issuer, tmp_path: Path, clock: FakeClock, status: int, kind: type[Exception]
) -> None:
    issuer.status = status
    held = place(issuer, tmp_path, clock)
    with pytest.raises(kind, match=f"HTTP status {status}") as caught:
        scope_down(f"{SE}/a", "GET", 3600, held, clock)
    assert len(issuer.asked) == 1  # a redirect would have brought the token elsewhere
    assert issuer.asked[0]["subject_token"] not in str(caught.value)


def test_an_issuer_that_is_down_or_not_who_it_says_is_unavailable(
    issuer: Issuer, tmp_path: Path, clock: FakeClock
) -> None:
    down = place(issuer, tmp_path, clock, iss=f"https://localhost:{free_port()}")
    with pytest.raises(Unavailable):
        scope_down(f"{SE}/a", "GET", 3600, down, clock)
    stranger = StorageSettings(url=SE, credential=place(issuer, tmp_path, clock).credential)
    with pytest.raises(Unavailable):
        scope_down(f"{SE}/a", "GET", 3600, stranger, clock)
    assert issuer.asked == []


@pytest.mark.parametrize("issuer_url", ["http://issuer.example.org", "file:///etc/passwd", 7, None])
def test_an_issuer_that_cannot_be_asked_safely_is_not(
    tmp_path: Path, clock: FakeClock, issuer_url: object
) -> None:
    held = storage(tmp_path, clock, "token", jwt(iss=issuer_url, exp=clock.now() + 60))
    with pytest.raises(BadRequest, match="worker nodes show there what they have themselves"):
        scope_down(f"{SE}/a", "GET", 3600, held, clock)


def test_a_token_that_has_run_out_is_not_exchanged(issuer: Issuer, tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(CredentialExpired):
        scope_down(f"{SE}/a", "GET", 3600, place(issuer, tmp_path, clock, exp=clock.now()), clock)


def test_proxies_and_passwords_never_travel(tmp_path: Path, clock: FakeClock) -> None:
    for kind in ("proxy", "basic", "s3", "key"):
        held = storage(tmp_path, clock, kind, "never even read")
        with pytest.raises(BadRequest, match=f"a {kind} never travels"):
            scope_down(f"{SE}/a", "GET", 3600, held, clock)


def test_where_the_engine_has_nothing_it_gives_nothing(clock: FakeClock) -> None:
    for held in (None, StorageSettings(url=SE)):
        with pytest.raises(BadRequest, match="no credential of its own"):
            scope_down(f"{SE}/a", "GET", 3600, held, clock)
