"""The virtual tree in a directory, and on storages: clients cannot tell which."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from engine.ids import new_id
from tests.cli.desk import desk_in
from tests.portal.bucket import with_bucket
from tests.portal.data_contract import DataContract
from tests.portal.house import House, portal
from tests.services.nginx import Nginx
from tests.services.s3 import S3
from tests.services.xrootd import XRootD

pytestmark = pytest.mark.whole


class TestDirectory(DataContract):
    def test_planted_links_are_neither_listed_nor_read_nor_packed(self, house: House) -> None:
        house.put("/vip/Home/linked/real.txt", b"real")
        directory = house.storage / "users" / house.ids["ann"] / "home/linked"
        (directory / "link").symlink_to("/etc/passwd")
        (directory / "dir").symlink_to("/etc")
        assert house.ask("GET", "/path/vip/Home/linked/link?action=content").code == 8000
        assert house.ask("GET", "/path/vip/Home/linked/dir/passwd?action=content").code == 8000
        assert not house.exists("/vip/Home/linked/link")
        assert [one["path"] for one in house.ok("GET", "/path/vip/Home/linked?action=list").json] == [
            "/vip/Home/linked/real.txt"
        ]
        with tarfile.open(fileobj=io.BytesIO(house.read("/vip/Home/linked"))) as tar:
            assert tar.getnames() == ["real.txt"]
        assert house.launch("copier/1.0", {"file": "/vip/Home/linked/link"}).code == 8009
        there = {"resultsLocation": "/vip/Home/linked/dir"}
        assert house.launch("copier/1.0", {"file": "/vip/Home/linked/real.txt"}, **there).code == 8013


@contextmanager
def house_on(
    tree: str, directory: pytest.TempPathFactory, settings: Mapping[str, str] = {}
) -> Iterator[House]:
    with (
        desk_in(directory.mktemp("portal")) as desk,
        portal(desk, {"ENGINE_PORTAL__TREE": tree, **settings}) as house,
    ):
        yield house
        log = house.log.read_text()
        assert "defect" not in log, log


@pytest.fixture(scope="module")
def on_webdav(nginx: Nginx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_on(f"{nginx.url}/{new_id()}", tmp_path_factory) as house:
        yield house


@pytest.fixture(scope="module")
def on_xrootd(xrootd: XRootD, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_on(f"{xrootd.http}/{new_id()}", tmp_path_factory) as house:
        yield house


@pytest.fixture(scope="module")
def on_s3(rclone_s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = with_bucket(rclone_s3, tmp_path_factory.mktemp("keys"))
    with house_on(f"bucket:{new_id()}", tmp_path_factory, settings) as house:
        yield house


@pytest.mark.service
class TestWebDav(DataContract):
    @pytest.fixture
    def house(self, on_webdav: House) -> House:
        return on_webdav


@pytest.mark.service
class TestXRootD(DataContract):
    @pytest.fixture
    def house(self, on_xrootd: House) -> House:
        return on_xrootd


@pytest.mark.service
class TestS3(DataContract):
    MEMORY = 128 << 20
    """Several parts of an object are on their way at a time."""

    @pytest.fixture
    def house(self, on_s3: House) -> House:
        return on_s3
