"""Storage elements as a grid has them: `make test-storage`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.errors import CredentialExpired, EngineError
from engine.ids import new_id
from engine.ports import CredentialKind, Storage
from engine.storages.credentials import CredentialFile
from engine.storages.http import HttpStorage
from engine.storages.root import RootStorage
from engine.storages.sections import StorageSettings
from engine.testing.contracts.storage import StorageContract
from tests.services.debian import GRID_PACKAGES, require
from tests.services.grid import Element, start_element, start_redirector
from tests.services.nginx import Nginx
from tests.services.xrootd import XRootD
from tests.storages.remote import XROOTD_NAMES, credential

pytestmark = [pytest.mark.service, pytest.mark.storage_grid]
GFAL_COPY = """
import gfal2, sys
context = gfal2.creat_context()
parameters = context.transfer_parameters()
parameters.set_checksum(gfal2.checksum_mode.both, "ADLER32", "")
context.filecopy(parameters, *sys.argv[1:])
"""
READ_AND_WRITE = "storage.read:/ storage.modify:/ storage.create:/"


@pytest.fixture(scope="module")
def element() -> Iterator[Element]:
    with start_element() as running:
        yield running


@pytest.fixture(scope="module")
def redirector() -> Iterator[str]:
    with start_redirector() as url:
        end = time.monotonic() + 60
        while True:  # the redirector knows its server some seconds after both answer
            try:
                HttpStorage(StorageSettings(stall=5.0, rename=False)).put(b"x", f"{url}/ready")
                break
            except EngineError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
        yield url


def settings(element: Element, kind: CredentialKind, file: Path, url: str = "") -> StorageSettings:
    held = CredentialFile("test", kind, file, SystemClock())
    return StorageSettings(
        url=url or element.https, credential=held, stall=10.0, authorities=str(element.pki.authorities)
    )


class TestProxy(StorageContract):
    ODD_NAMES = XROOTD_NAMES

    @pytest.fixture
    def storage(self, element: Element) -> Storage:
        return HttpStorage(settings(element, "proxy", element.pki.proxy()))

    @pytest.fixture
    def base(self, element: Element) -> str:
        return f"{element.https}/{new_id()}"


class TestToken(StorageContract):
    ODD_NAMES = XROOTD_NAMES

    @pytest.fixture
    def storage(self, element: Element, tmp_path_factory: pytest.TempPathFactory) -> Storage:
        token = credential(tmp_path_factory.mktemp("tokens"), "token", element.issuer.token(READ_AND_WRITE))
        return HttpStorage(settings(element, "token", token.file))

    @pytest.fixture
    def base(self, element: Element) -> str:
        return f"{element.https}/{new_id()}"


def test_a_proxy_opens_root_too(element: Element, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X509_CERT_DIR", str(element.pki.authorities))
    storage = RootStorage(settings(element, "proxy", element.pki.proxy(), element.root))
    storage.put(b"x", f"{element.root}/a")
    assert storage.read(f"{element.root}/a") == b"x"


@pytest.mark.parametrize(
    ("scope", "seconds"), [("storage.read:/", 3600.0), (READ_AND_WRITE, -3600.0), ("", 3600.0)]
)
def test_a_token_that_does_not_go_so_far_is_refused(
    element: Element, tmp_path: Path, scope: str, seconds: float
) -> None:
    token = element.issuer.token(scope, seconds=seconds)
    storage = HttpStorage(settings(element, "token", credential(tmp_path, "token", token).file))
    with pytest.raises(CredentialExpired) as told:
        storage.put(b"x", f"{element.https}/refused")
    assert token not in str(told.value)


def test_nobody_in_particular_is_refused(element: Element) -> None:
    storage = HttpStorage(StorageSettings(authorities=str(element.pki.authorities), stall=10.0))
    with pytest.raises(CredentialExpired):
        storage.put(b"x", f"{element.https}/refused")


def test_what_the_environment_offers_is_found(element: Element, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEARER_TOKEN", element.issuer.token(READ_AND_WRITE))
    storage = HttpStorage(StorageSettings(authorities=str(element.pki.authorities), stall=10.0))
    url = f"{element.https}/{new_id()}"
    storage.put(b"x", url)
    assert storage.read(url) == b"x"


def test_a_redirector_leads_to_its_server(redirector: str, tmp_path: Path) -> None:
    storage = HttpStorage(StorageSettings(url=redirector, rename=False, stall=20.0))
    (tmp_path / "large").write_bytes(b"x" * (5 << 20))
    storage.send(tmp_path / "large", f"{redirector}/dir/large")
    storage.get(f"{redirector}/dir/large", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"x" * (5 << 20)


@pytest.fixture
def by_gfal(tmp_path: Path) -> Callable[[str], bytes]:
    """What gfal2, the grid's own client, reads at a URL."""
    for needed in GRID_PACKAGES:
        require(needed)

    def read(url: str) -> bytes:
        copy = tmp_path / new_id()
        command = ["/usr/bin/python3", "-c", GFAL_COPY, url, copy.as_uri()]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran
        return copy.read_bytes()

    return read


def test_gfal_reads_what_was_written(xrootd: XRootD, nginx: Nginx, by_gfal: Callable[[str], bytes]) -> None:
    name = new_id()
    HttpStorage().put(b"content", f"{nginx.url}/{name}")
    RootStorage().put(b"content", f"{xrootd.root}/{name}")
    assert by_gfal(f"{xrootd.root}/{name}") == b"content"
    assert by_gfal(xrootd.http.replace("http:", "dav:") + f"/{name}") == b"content"
