"""`engine data` against real storages."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.ids import new_id
from tests.cli.desk import Desk
from tests.services.girder import Girder
from tests.services.lines import line_to
from tests.services.nginx import Nginx
from tests.services.registry import free_port
from tests.services.s3 import S3
from tests.services.xrootd import XRootD
from tests.storages.remote import port_of

pytestmark = pytest.mark.service


def configure(desk: Desk, storages: dict[str, Any], **more: Any) -> None:
    """Write the settings file of a desk."""
    file = desk.home / ".config/boutiques-engine/engine.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"storages": storages, **more}))


def secret(desk: Desk, name: str, text: str) -> str:
    """A file that only its owner reads."""
    file = desk.home / name
    file.touch(0o600)
    file.write_text(text)
    return str(file)


@pytest.fixture
def storages(desk: Desk, nginx: Nginx, xrootd: XRootD) -> Desk:
    """A desk with two storages: `dav`, and `disk` with two doors."""
    place = new_id()
    configure(
        desk,
        {
            "dav": {"url": f"{nginx.url}/{place}"},
            "disk": {"url": f"{xrootd.root}/{place}", "aliases": [f"{xrootd.http}/{place}"]},
        },
        data={"stall": 2, "rounds": 1},
    )
    return desk


def tree(desk: Desk) -> None:
    """A directory with files of all kinds."""
    for name in ("a", "sub/with space", "sub/deep/ünïcödé", "sub/empty"):
        path = desk.directory / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if name == "sub/empty" else f"content of {name}")


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below."""
    found = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


@pytest.mark.parametrize("storage", ["dav", "disk"])
def test_a_directory_goes_there_and_comes_back_the_same(storages: Desk, storage: str) -> None:
    tree(storages)
    storages.ok("data", "put", "tree", f"{storage}:")
    listed = storages.ok("data", "ls", "-r", f"{storage}:tree").out.splitlines()
    assert listed == ["a", "sub/", "sub/deep/", "sub/deep/ünïcödé", "sub/empty", "sub/with space"]
    storages.ok("data", "get", f"{storage}:tree", "--into", "back")
    assert contents(storages.directory / "back") == contents(storages.directory / "tree")


def test_what_is_there_already_is_not_copied_again(storages: Desk) -> None:
    tree(storages)
    storages.ok("data", "put", "tree", "disk:")
    (storages.directory / "tree/a").write_text("CONTENT OF a")
    again = storages.ok("data", "put", "tree", "disk:", "--json").values
    assert {value["source"].rpartition("/")[2]: value["state"] for value in again} == {
        "a": "copied",
        "with%20space": "there",
        "%C3%BCn%C3%AFc%C3%B6d%C3%A9": "there",
        "empty": "there",
    }
    forced = storages.ok("data", "put", "tree", "disk:", "--json", "--force").values
    assert {value["state"] for value in forced} == {"copied"}


def test_files_are_copied_between_storages(storages: Desk) -> None:
    tree(storages)
    storages.ok("data", "put", "tree", "dav:")
    passing = storages.directory / "passing"
    passing.mkdir()
    storages.ok("data", "cp", "dav:tree", "disk:copy", variables={"TMPDIR": str(passing)})
    assert list(passing.iterdir()) == []
    storages.ok("data", "get", "disk:copy", "--into", "back")
    assert contents(storages.directory / "back") == contents(storages.directory / "tree")


def test_a_rename_is_a_rename(storages: Desk, xrootd: XRootD) -> None:
    storages.write("a", "x")
    storages.ok("data", "put", "a", "disk:old")
    [file] = xrootd.files.rglob("old")
    before = file.stat().st_ino
    storages.ok("data", "mv", "disk:old", "disk:deeper/new")
    [file] = xrootd.files.rglob("deeper/new")
    assert file.stat().st_ino == before
    assert storages.run("data", "stat", "disk:old").code == 2
    refused = storages.run("data", "mv", "disk:deeper/new", "dav:new")
    assert refused.code == 2
    assert "another storage" in refused.err


def test_a_rename_never_replaces(storages: Desk) -> None:
    for name in ("a", "b"):
        storages.write(name, name)
        storages.ok("data", "put", name, f"dav:{name}")
    assert storages.run("data", "mv", "dav:a", "dav:b").code == 2
    storages.ok("data", "get", "dav:a", "dav:b", "--into", ".")
    assert contents(storages.directory) == {"a": b"a", "b": b"b"}


def test_checksums_are_shown(storages: Desk) -> None:
    storages.write("a", "content")
    storages.ok("data", "put", "a", "disk:a")
    found = storages.ok(
        "data", "stat", "disk:a", "--checksum", "adler32", "--checksum", "md5", "--json"
    ).value
    assert (found["name"], found["size"], found["directory"]) == ("a", 7, False)
    assert found["checksums"] == {"adler32": "0bcb02fc", "md5": "9a0364b9e99bb480dd25e1f0284c8555"}
    refused = storages.run("data", "stat", "disk:a", "--checksum", "crc32")
    assert refused.code == 2
    assert "adler32, md5, sha256" in refused.err


def test_directories_are_removed_only_when_asked_to(storages: Desk) -> None:
    tree(storages)
    storages.ok("data", "put", "tree", "disk:")
    assert storages.run("data", "rm", "disk:tree").code == 2
    assert storages.run("data", "rm", "-r", "disk:").code == 2
    storages.ok("data", "rm", "-r", "disk:tree")
    assert storages.run("data", "rm", "disk:tree").code == 2
    storages.ok("data", "rm", "--force", "disk:tree")


def test_urls_and_other_doors_do_as_well_as_names(storages: Desk, xrootd: XRootD) -> None:
    storages.write("a", "x")
    [_, place] = storages.ok("data", "ls", "--json").values
    storages.ok("data", "put", "a", f"{place['url']}/a")
    storages.ok("data", "get", f"{place['aliases'][0]}/a", "--into", "back")
    assert (storages.directory / "back").read_text() == "x"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["get", "dav:nothing"], "nothing at dav:nothing"),
        (["get", "elsewhere:a"], "no storage is called elsewhere"),
        (["put", "nothing", "dav:"], "nothing at nothing"),
        (["put", "a"], "name both"),
        (["ls", "dav:../../etc"], "has no .."),
        (["ls", "ftp://example.org/a"], "no storage named 'ftp'"),
        (["ls", "dav:nothing"], "nothing at dav:nothing"),
        (["cp", "dav:a", "dav:b", "disk:c"], "nothing at dav:a"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(storages: Desk, words: list[str], says: str) -> None:
    ran = storages.run("data", *words)
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_storage_that_is_down_is_told_and_nothing_is_left(desk: Desk) -> None:
    configure(desk, {"gone": {"url": f"http://127.0.0.1:{free_port()}/x"}}, data={"stall": 1, "rounds": 1})
    ran = desk.run("data", "get", "gone:a")
    assert ran.code == 3
    assert "Connection refused" in ran.err
    assert contents(desk.directory) == {}


def test_some_that_fail_do_not_stop_the_others(storages: Desk, xrootd: XRootD) -> None:
    tree(storages)
    storages.ok("data", "put", "tree", "disk:")
    (storages.directory / "back/sub/with space").mkdir(parents=True)  # where a file is to go
    ran = storages.run("data", "get", "disk:tree/a", "disk:tree/sub", "--into", "back/", "--json")
    assert ran.code == 1
    states = {Path(value["target"]).name: value["state"] for value in ran.values}
    assert states["a"] == "copied"
    assert states["with%20space"] == "failed"
    assert "1 failed" in ran.err


def test_a_download_goes_on_after_a_cut(desk: Desk, nginx: Nginx) -> None:
    content = os.urandom(6 << 20)
    (desk.directory / "large").write_bytes(content)
    place = new_id()
    with line_to(port_of(nginx.url)) as line:
        configure(
            desk,
            {"far": {"url": f"http://127.0.0.1:{line.port}/{place}"}},
            data={"stall": 2, "rounds": 3},
        )
        desk.ok("data", "put", "large", "far:large")
        line.cut_after(2 << 20)
        getting = desk.start("data", "get", "far:large", "--into", "back")
        while line.left:
            pass
        line.mend()
        assert getting.wait() == 0
        getting.communicate()
    same = (desk.directory / "back").read_bytes() == content
    assert same  # a difference of megabytes takes minutes to be told


def test_keys_open_s3_and_girder(desk: Desk, rclone_s3: S3, girder: Girder) -> None:
    pair = {
        "access_key_id": rclone_s3.access_key_id,
        "secret_access_key": rclone_s3.secret_access_key,
    }
    configure(
        desk,
        {
            "objects": {"url": f"s3://{rclone_s3.bucket}", "api": rclone_s3.endpoint, "credential": "s3"},
            "platform": {
                "url": f"girder://{girder.host}/collection/tests",
                "api": girder.api,
                "credential": "girder",
            },
        },
        credentials={
            "s3": {"kind": "s3", "file": secret(desk, "s3.json", json.dumps(pair))},
            "girder": {"kind": "key", "file": secret(desk, "girder.key", girder.key)},
        },
    )
    tree(desk)
    place = new_id()
    desk.ok("data", "put", "tree", f"objects:{place}/")
    desk.ok("data", "cp", f"objects:{place}/tree", f"platform:{place}/")
    desk.ok("data", "get", f"platform:{place}/tree", "--into", "back")
    assert contents(desk.directory / "back") == contents(desk.directory / "tree")


def test_a_link_that_goes_in_circles_is_left_out(storages: Desk) -> None:
    tree(storages)
    (storages.directory / "tree/sub/circle").symlink_to("..")
    storages.ok("data", "put", "tree", "dav:")
    listed = storages.ok("data", "ls", "-r", "dav:tree").out.splitlines()
    assert "sub/circle/" not in listed


def test_an_interrupted_download_leaves_no_part(storages: Desk, nginx: Nginx) -> None:
    (storages.directory / "large").write_bytes(os.urandom(8 << 20))
    with line_to(port_of(nginx.url)) as line:
        [place, _] = storages.ok("data", "ls", "--json").values
        storages.ok("data", "put", "large", "dav:large")
        url = f"{place['url']}/large".replace(str(port_of(nginx.url)), str(line.port))
        (storages.directory / "into").mkdir()
        line.slow = 0.02
        getting = storages.start("data", "get", url, "--into", "into/")
        while not any((storages.directory / "into").iterdir()):
            assert getting.poll() is None
        getting.send_signal(signal.SIGINT)
        assert getting.wait() == 130
        getting.communicate()
    assert contents(storages.directory / "into") == {}
