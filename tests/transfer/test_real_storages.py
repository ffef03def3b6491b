"""Files to and from real storages, by every door that a node has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from engine.ids import new_id
from engine.storages.s3 import S3Storage
from tests.conftest import ROOT
from tests.services.debian import require
from tests.services.girder import Girder, start_girder
from tests.services.granting import CLAIM, granting
from tests.services.lines import line_to
from tests.services.nginx import Nginx, start_nginx
from tests.services.s3 import S3, start_moto, start_rclone_s3
from tests.services.xrootd import XRootD, start_xrootd
from tests.storages.test_s3 import keys_of
from tests.transfer.conftest import DATA, STALL, Hands, sums
from wrappers import wire
from wrappers.transfer.part import Expected
from wrappers.transfer.rounds import Exhausted
from wrappers.transfer.tree import TarSource, unpack

pytestmark = pytest.mark.service

NAMES = ("plain.nii.gz", "a b é.txt", "q'uo\"te%41#.txt", "x" * 200)


@pytest.fixture
def hands(hands: Hands) -> Hands:
    hands.wait_for(30.0)
    return hands


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    with start_nginx() as running:
        yield running


@pytest.fixture(scope="module")
def xrootd() -> Iterator[XRootD]:
    with start_xrootd() as running:
        yield running


@pytest.fixture(scope="module", params=[start_rclone_s3, start_moto], ids=["rclone", "moto"])
def s3(request: pytest.FixtureRequest) -> Iterator[S3]:
    with request.param() as running:
        yield running


@pytest.fixture(scope="module")
def girder() -> Iterator[Girder]:
    with start_girder() as running:
        yield running


@pytest.fixture(params=["nginx", "xrootd-http", "xrootd-root"])
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A new directory on a storage, and how files there are verified."""
    if request.param == "nginx":
        return f"{request.getfixturevalue('nginx').url}/{new_id()}", "read"
    server: XRootD = request.getfixturevalue("xrootd")
    if request.param == "xrootd-root":
        require("xrdcp")
        return f"{server.root}/{new_id()}", "adler32"
    return f"{server.http.replace('http', 'dav')}/{new_id()}", "adler32"


def round_trip(hands: Hands, url: str, data: bytes) -> str:
    """Store and fetch; gives how it was verified."""
    stored = hands.store(data, url)
    assert stored.url == url
    for expected in (Expected(len(data), sums(data)), Expected()):
        fetched = hands.fetch(url, expected=expected)
        assert hands.target.read_bytes() == data
        assert fetched.sums["sha256"] == sums(data)["sha256"]
    return stored.verified


@pytest.mark.parametrize("data", [DATA, DATA[:10], b""], ids=["large", "small", "empty"])
def test_files_go_there_and_come_back(hands: Hands, place: tuple[str, str], data: bytes) -> None:
    assert round_trip(hands, f"{place[0]}/deep/er/{quote(NAMES[0])}", data) == place[1]
    assert hands.errors() == []


@pytest.mark.parametrize("name", NAMES[1:], ids=["utf8", "quotes", "long"])
def test_names_are_what_they_are(hands: Hands, place: tuple[str, str], name: str) -> None:
    round_trip(hands, f"{place[0]}/{quote(name)}", b"content")


def test_a_missing_file_is_missing(hands: Hands, place: tuple[str, str]) -> None:
    with pytest.raises(Exhausted) as caught:
        hands.fetch(f"{place[0]}/nothing")
    assert caught.value.hopeless


def test_a_file_with_one_flipped_byte_is_refused_by_every_door(hands: Hands, place: tuple[str, str]) -> None:
    hands.store(bytes([DATA[0] ^ 1]) + DATA[1:], f"{place[0]}/file")
    with pytest.raises(Exhausted, match="its adler32 is"):
        hands.fetch(f"{place[0]}/file", expected=Expected(len(DATA), {"adler32": sums(DATA)["adler32"]}))


def test_a_file_is_written_over_a_half_of_itself(hands: Hands, place: tuple[str, str]) -> None:
    hands.store(DATA[:1000], f"{place[0]}/file")
    assert round_trip(hands, f"{place[0]}/file", DATA) == place[1]


def test_a_directory_goes_as_a_tar_and_comes_back(
    hands: Hands, place: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "x").write_bytes(DATA)
    source = TarSource(["a"], [("a/x", str(tmp_path / "in" / "a" / "x"))])
    hands.mover.store([f"{place[0]}/tree.tar"], source, hands.tried)
    expected = Expected(source.size, {"sha256": source.sums()["sha256"]})
    hands.fetch(f"{place[0]}/tree.tar", expected=expected)
    unpack(str(hands.target), str(tmp_path / "out"))
    assert (tmp_path / "out" / "a" / "x").read_bytes() == DATA


def test_a_line_that_breaks_in_the_middle_is_taken_up_again(
    hands: Hands, nginx: Nginx, xrootd: XRootD
) -> None:
    for base in (nginx.url, xrootd.http):
        url = f"{base}/{new_id()}"
        hands.store(DATA, url)
        with line_to(urlsplit(base).port or 0) as line:
            line.cut_after(2_000_000)
            far = url.replace(base, f"http://127.0.0.1:{line.port}")
            hands.fetch(far, url, expected=Expected(len(DATA), sums(DATA)))
        assert hands.target.read_bytes() == DATA
        assert 0 < hands.tried[-1].size < len(DATA)


def test_a_root_server_that_is_away_is_told_within_the_patience(hands: Hands, tmp_path: Path) -> None:
    require("xrdcp")
    hands.wait_for(STALL)
    with pytest.raises(Exhausted, match="xrdcp"):
        hands.fetch("root://127.0.0.1:1//x")


def test_a_read_only_storage_is_left_for_another(hands: Hands, xrootd: XRootD, nginx: Nginx) -> None:
    closed = xrootd.files / "closed"
    closed.mkdir(mode=0o555, exist_ok=True)
    url = f"{nginx.url}/{new_id()}"
    for first in (f"{xrootd.http}/closed/x", f"{xrootd.root}/closed/x"):
        assert hands.store(DATA, first, url).url == url
        assert "status 403" in hands.errors()[-1] or "ermission denied" in hands.errors()[-1]


def test_objects_go_by_presigned_urls(hands: Hands, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> None:
    storage = S3Storage(keys_of(s3, tmp_path_factory.mktemp("keys")))
    with granting(lambda want: storage.presign(want.url, want.method, 60.0)) as point:
        hands.exchange_at(point.url, CLAIM)
        for name, data in (("large", DATA), ("a b é", b"small"), ("empty", b"")):
            url = f"s3://{s3.bucket}/{new_id()}/{quote(name)}"
            assert round_trip(hands, url, data) == "md5"
        with pytest.raises(Exhausted, match="status 404"):
            hands.fetch(f"s3://{s3.bucket}/nothing")
    said = "".join(one.url + one.error for one in hands.tried)
    assert s3.secret_access_key not in said
    assert "Signature" not in said


def test_files_go_to_and_from_girder(hands: Hands, girder: Girder, girder_token: str) -> None:
    def grant(want: wire.Want) -> wire.Grant:
        return wire.Grant(want.url, want.method, use=girder.api, headers={"Girder-Token": girder_token})

    with granting(grant) as point:
        hands.exchange_at(point.url, CLAIM)
        for name, data in (("large", DATA), ("a b é.txt", b"small"), ("empty", b"")):
            url = f"girder://{girder.host}/collection/tests/{new_id()}/deep/{quote(name)}"
            assert round_trip(hands, url, data) == "size"
            assert round_trip(hands, url, data[::-1]) == "size"  # over what a cut try left
        with pytest.raises(Exhausted) as caught:
            hands.fetch(f"girder://{girder.host}/collection/tests/nothing/at all")
    assert caught.value.hopeless
    assert girder_token not in "".join(hands.errors())


def test_a_large_file_goes_to_girder_in_chunks(
    hands: Hands, girder: Girder, girder_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wrappers.transfer.girder.CHUNK", 5 << 20)  # Girder's own least
    data = DATA * 5

    def grant(want: wire.Want) -> wire.Grant:
        return wire.Grant(want.url, want.method, use=girder.api, headers={"Girder-Token": girder_token})

    with granting(grant) as point:
        hands.exchange_at(point.url, CLAIM)
        round_trip(hands, f"girder://{girder.host}/collection/tests/{new_id()}/large", data)


@pytest.fixture
def girder_token(girder: Girder) -> str:
    import json
    import urllib.request

    request = urllib.request.Request(f"{girder.api}/api_key/token?key={girder.key}", b"", method="POST")
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["authToken"]["token"])


_MOVE = """
import sys
from wrappers import wire
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.source import FileSource
source, url, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Mover(wire.Transfers()) as mover:
    print(mover.store([url], FileSource(source), []).verified)
    with Part("/dev/null", Expected(size)) as part:
        mover.fetch([url], part, [])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("xrootd-http", 1 << 30),
        *[
            pytest.param(kind, 10 << 30, marks=pytest.mark.long)
            for kind in ("nginx", "xrootd-http", "xrootd-root")
        ],
    ],
)
def test_memory_stays_flat(request: pytest.FixtureRequest, tmp_path: Path, kind: str, size: int) -> None:
    server = request.getfixturevalue(kind.partition("-")[0])
    base = {"nginx": "url", "xrootd-http": "http", "xrootd-root": "root"}[kind]
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        file.truncate(size)
    name = new_id()
    command = [sys.executable, "-c", _MOVE, str(source), f"{getattr(server, base)}/{name}", str(size)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        verified, peak = done.stdout.split()
        assert verified == ("size" if kind == "nginx" else "adler32")
        assert int(peak) < 64 << 10
    finally:
        (server.files / name).unlink(missing_ok=True)
