"""S3 services keep the promises of every storage: rclone's and moto's."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import BadRequest, CredentialExpired
from engine.ids import new_id
from engine.ports import Storage
from engine.storages.places import StorageSettings
from engine.storages.s3 import S3Storage
from engine.testing.contracts.storage import StorageContract
from tests.services.s3 import S3
from tests.storages.remote import Make, RemoteContract, credential, port_of

pytestmark = pytest.mark.service


def keys_of(service: S3, directory: Path, secret: str = "") -> StorageSettings:
    """The settings of a storage with the service's keys, or with a wrong secret."""
    pair = {
        "access_key_id": service.access_key_id,
        "secret_access_key": secret or service.secret_access_key,
    }
    return StorageSettings(
        url=f"s3://{service.bucket}",
        api=service.endpoint,
        credential=credential(directory, "s3", json.dumps(pair)),
    )


class S3Contract(RemoteContract):
    ODD_NAMES = tuple(name for name in StorageContract.ODD_NAMES if "\n" not in name)
    """The library refuses control characters in keys."""

    @pytest.fixture
    def server(self, service: S3) -> str:
        return f"s3://{service.bucket}"

    @pytest.fixture
    def port(self, service: S3) -> int:
        return port_of(service.endpoint)

    @pytest.fixture
    def make(self, service: S3, tmp_path_factory: pytest.TempPathFactory) -> Make:
        settings = keys_of(service, tmp_path_factory.mktemp("keys"))

        return lambda port, stall: S3Storage(replace(settings, api=f"http://127.0.0.1:{port}", stall=stall))

    def test_a_name_with_a_line_break_is_refused(self, storage: Storage, base: str) -> None:
        with pytest.raises(BadRequest):
            storage.put(b"x", self.below(base, "new\nline"))

    def test_presigned_urls_work_without_keys(self, storage: Storage, base: str) -> None:
        url = self.below(base, "with space")
        put = storage.presign(url, "PUT", 60.0)
        plain = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(put.use, b"from a node", method="PUT", headers=plain)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(storage.presign(url, "GET", 60.0).use) as answer:
            assert answer.read() == b"from a node"
        with pytest.raises(BadRequest):
            storage.presign(url, "DELETE", 60.0)

    def test_a_large_file_goes_in_parts(self, storage: Storage, base: str, tmp_path: Path) -> None:
        content = bytes(range(256)) * (20 << 12)
        (tmp_path / "large").write_bytes(content)
        storage.send(tmp_path / "large", self.below(base, "large"))
        storage.get(self.below(base, "large"), tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == content


class TestRclone(S3Contract):
    @pytest.fixture
    def service(self, rclone_s3: S3) -> S3:
        return rclone_s3


class TestMoto(S3Contract):
    @pytest.fixture
    def service(self, moto: S3) -> S3:
        return moto


def test_a_wrong_secret_is_told_as_such_and_not_shown(rclone_s3: S3, tmp_path: Path) -> None:
    storage = S3Storage(keys_of(rclone_s3, tmp_path, secret="swordfish1234"))
    url = f"s3://{rclone_s3.bucket}/{new_id()}/a"
    for act in (lambda: storage.stat(url), lambda: storage.put(b"x", url)):
        with pytest.raises(CredentialExpired) as told:
            act()
        assert "swordfish" not in str(told.value)
        assert "\n" not in str(told.value)


def test_without_keys_nothing_is_presigned() -> None:
    assert not S3Storage(StorageSettings(url="s3://public")).capabilities.presign
