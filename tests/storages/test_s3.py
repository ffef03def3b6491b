"""S3 services keep the promises of every storage: rclone's and moto's."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from engine.errors import BadRequest, CredentialExpired
from engine.ids import new_id
from engine.ports import Storage
from engine.storages import s3_tags
from engine.storages.s3 import S3Storage
from engine.storages.sections import StorageSettings
from engine.testing.contracts.storage import StorageContract
from tests.services.s3 import ACCESS_KEY_ID, S3
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

    def labels(self, storage: Storage, url: str) -> Mapping[str, str]:
        address = storage.presign(url, "GET", 60.0).use.partition("?")[0]
        scope = f"{ACCESS_KEY_ID}/20261129/us-east-1/s3/aws4_request"
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
        request = urllib.request.Request(f"{address}?tagging", headers=signed)
        with urllib.request.urlopen(request) as answer:  # moto does not compare signatures
            found = ET.fromstring(answer.read())
        fields = [[field.text or "" for field in tag] for tag in found.iter() if tag.tag.endswith("Tag")]
        return dict(fields)

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

    def test_a_file_carries_the_last_words_that_it_was_given_or_the_storage_says_that_it_keeps_none(
        self, storage: Storage, base: str
    ) -> None:
        """rclone takes the tags of an object for the object itself."""
        url = self.below(base, "a")
        storage.put(b"content", url)
        assert isinstance(storage, S3Storage)
        with pytest.raises(BadRequest, match="keeps no tags"):
            storage.label({url: {"engine_job": "1"}})
        assert storage.read(url) == b"content"


class TestMoto(S3Contract):
    @pytest.fixture
    def service(self, moto: S3) -> S3:
        return moto


def test_a_wrong_secret_is_told_as_such_and_not_shown(rclone_s3: S3, tmp_path: Path) -> None:
    storage = S3Storage(keys_of(rclone_s3, tmp_path, secret="swordfish1234"))
    url = f"s3://{rclone_s3.bucket}/{new_id()}/a"
    acts: Sequence[Callable[[], object]] = (lambda: storage.stat(url), lambda: storage.put(b"x", url))
    for act in acts:
        with pytest.raises(CredentialExpired) as told:
            act()
        assert "swordfish" not in str(told.value)
        assert "\n" not in str(told.value)


def test_without_keys_nothing_is_presigned() -> None:
    assert not S3Storage(StorageSettings(url="s3://public")).capabilities.presign


def test_an_address_of_tags_is_signed_as_amazons_own_library_does() -> None:
    keys = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "")
    address = "https://examplebucket.s3.amazonaws.com/test.txt"
    url = s3_tags.signed("GET", address, keys, "us-east-1", 1369353600.0)
    assert url.endswith("20adc80e27a113fa97521aba3618b23171499250560a731bcb591df3e68bd265")  # botocore 1.44
