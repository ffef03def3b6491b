"""Every way an upload can go wrong: a result that is told to be there is there, as it was sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.services.faulty_storage import (
    DROP,
    FLIP,
    Fault,
    FaultyStorage,
    black_hole,
    cut,
    drip,
    redirect,
    reset,
    stall,
    status,
)
from tests.transfer.conftest import DATA, Hands, sums
from wrappers import wire
from wrappers.transfer import digest
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import HttpClient
from wrappers.transfer.errors import Cut, OutOfTime, Permanent
from wrappers.transfer.moving import Mover
from wrappers.transfer.rounds import Exhausted, Pace
from wrappers.transfer.source import FileSource

pytestmark = pytest.mark.whole

SMALL = DATA[:1000]


@pytest.mark.parametrize("data", [DATA, SMALL, b""], ids=["large", "small", "empty"])
@pytest.mark.parametrize("algorithm", ["adler32", "md5", "sha-256"])
def test_a_file_is_compared_with_the_storages_checksum(
    hands: Hands, storage: FaultyStorage, algorithm: str, data: bytes
) -> None:
    storage.digest = algorithm
    stored = hands.store(data, storage.url + "/new")
    assert storage.files["/new"] == data
    assert stored.verified == algorithm.replace("-", "")
    assert [(one.size, one.error) for one in hands.tried] == [(len(data), "")]
    assert storage.count("GET") == 0


def test_where_there_is_no_checksum_the_file_is_read_back(hands: Hands, storage: FaultyStorage) -> None:
    storage.digest = ""
    assert hands.store(DATA, storage.url + "/new").verified == "read"
    assert hands.store(SMALL, storage.url + "/second").verified == "read"
    assert storage.count("HEAD") == 1  # from then on nobody asks


@pytest.mark.parametrize(
    ("read_back", "verified"), [(len(DATA), "read"), (len(DATA) - 1, "size"), (0, "size")]
)
def test_what_is_too_large_to_be_read_back_is_compared_by_size(
    storage: FaultyStorage, tmp_path: Path, read_back: int, verified: str
) -> None:
    storage.digest = ""
    (tmp_path / "source").write_bytes(DATA)
    with Mover(wire.Transfers(read_back=read_back)) as mover:
        stored = mover.store([storage.url + "/new"], FileSource(str(tmp_path / "source")), [])
    assert stored.verified == verified
    assert storage.count("GET") == (verified == "read")


def test_the_checksums_of_what_was_sent_are_known_without_reading_it_again(
    hands: Hands, storage: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = hands.source(DATA)
    hands.mover.store([storage.url + "/new"], source, hands.tried)
    os.unlink(source.path)
    assert source.sums() == {name: sums(DATA)[name] for name in ("sha256", "adler32")}


@pytest.mark.parametrize(
    "fault", [cut(500_000), reset(500_000), stall(500_000), DROP], ids=lambda one: one.kind
)
@pytest.mark.parametrize("data", [DATA, DATA[:600_000]], ids=["large", "small"])
def test_a_cut_upload_is_made_again(hands: Hands, storage: FaultyStorage, fault: Fault, data: bytes) -> None:
    storage.faults["PUT"] = [fault]
    stored = hands.store(data, storage.url + "/new")
    assert storage.files["/new"] == data
    assert stored.verified == "adler32"
    assert len(hands.errors()) <= 1


def test_what_arrives_changed_is_sent_again(hands: Hands, storage: FaultyStorage) -> None:
    storage.faults["PUT"] = [FLIP]
    assert hands.store(DATA, storage.url + "/new").verified == "adler32"
    assert storage.files["/new"] == DATA
    assert "the storage holds adler32" in hands.errors()[0]


def test_what_arrives_changed_is_noticed_without_checksums_too(hands: Hands, storage: FaultyStorage) -> None:
    storage.digest = ""
    storage.faults["PUT"] = [FLIP]
    hands.store(DATA, storage.url + "/new")
    assert storage.files["/new"] == DATA
    assert "gives back something else" in hands.errors()[0]


def test_a_storage_that_tells_a_wrong_checksum_is_left_for_another(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage
) -> None:
    storage.wrong_digest = True
    stored = hands.store(DATA, storage.url + "/new", other.url + "/new")
    assert stored.url == other.url + "/new"
    assert other.files["/new"] == DATA
    assert "/new" not in storage.files  # what may be wrong does not stay


@pytest.mark.parametrize(("software", "rests"), [("XrootD/v5.5.3", True), ("nginx", False)])
def test_after_a_checksum_xrootd_is_left_alone_on_that_connection(
    storage: FaultyStorage, software: str, rests: bool
) -> None:
    storage.software = software
    client = HttpClient(Budget(60.0))
    for headers in (digest.ASK, {}):
        with client.request("HEAD", storage.url + "/data", dict(headers)) as answer:
            assert answer.status == 200
    client.close()
    first, second = storage.clients
    assert (first != second) == rests


def test_a_lost_request_is_made_once_more_and_not_for_ever(storage: FaultyStorage) -> None:
    client = HttpClient(Budget(60.0))
    storage.faults["HEAD"] = [DROP]
    with client.request("HEAD", storage.url + "/data") as answer:
        assert answer.status == 200
    client.close()
    storage.always["HEAD"] = DROP
    with pytest.raises(Cut):
        client.request("HEAD", storage.url + "/data")
    assert storage.count("HEAD") == 4


def test_a_request_that_may_not_be_repeated_is_not(storage: FaultyStorage) -> None:
    storage.always["MOVE"] = DROP
    with pytest.raises(Cut):
        HttpClient(Budget(60.0)).request("MOVE", storage.url + "/data", {"Destination": storage.url + "/b"})
    assert storage.count("MOVE") == 1


@pytest.mark.parametrize("code", [307, 308, 302])
@pytest.mark.parametrize("data", [DATA, SMALL], ids=["large", "small"])
def test_a_redirect_takes_the_body_along(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage, data: bytes, code: int
) -> None:
    storage.always["PUT"] = redirect(other.url, code)
    storage.always["HEAD"] = redirect(other.url, code)
    stored = hands.store(data, storage.url + "/new")
    assert other.files["/new"] == data
    assert stored.url == storage.url + "/new"
    assert "/new" not in storage.files


def test_a_large_body_is_not_sent_before_the_storage_agrees(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage
) -> None:
    storage.always["PUT"] = status(507)
    hands.store(DATA, storage.url + "/new", other.url + "/new")
    assert hands.tried[0].size == 0
    assert "status 507" in hands.tried[0].error
    assert other.files["/new"] == DATA


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "1"}], ids=["plain", "retry-after"])
def test_a_busy_storage_is_asked_again(hands: Hands, storage: FaultyStorage, headers: dict[str, str]) -> None:
    storage.faults["PUT"] = [status(503, **headers)] * 2
    hands.store(DATA, storage.url + "/new")
    assert storage.files["/new"] == DATA
    assert storage.count("PUT") == 3


@pytest.mark.parametrize("code", [400, 401, 403, 405, 501, 507])
def test_what_fails_for_good_is_not_tried_twice(hands: Hands, storage: FaultyStorage, code: int) -> None:
    storage.always["PUT"] = status(code)
    with pytest.raises(Exhausted, match=f"status {code}") as caught:
        hands.store(DATA, storage.url + "/new")
    assert caught.value.hopeless
    assert storage.count("PUT") == 1


def test_missing_collections_are_made(hands: Hands, storage: FaultyStorage) -> None:
    storage.collections = set()
    hands.store(SMALL, storage.url + "/a/b%20c/d/new")
    hands.store(SMALL, storage.url + "/a/b%20c/d/second")
    assert storage.files["/a/b c/d/new"] == storage.files["/a/b c/d/second"] == SMALL
    assert storage.collections == {"/a", "/a/b c", "/a/b c/d"}
    assert storage.count("PUT") == 3


def test_a_file_that_vanished_again_is_sent_again(hands: Hands, storage: FaultyStorage) -> None:
    storage.faults["HEAD"] = [status(404)]
    hands.store(SMALL, storage.url + "/new")
    assert storage.files["/new"] == SMALL
    assert "though it was just stored" in hands.errors()[0]


@pytest.mark.parametrize("fault", [stall(1000), drip(1000)], ids=lambda one: one.kind)
def test_nothing_takes_longer_than_the_budget(hands: Hands, storage: FaultyStorage, fault: Fault) -> None:
    storage.always["PUT"] = fault
    with (
        Mover(wire.Transfers(stall=30.0, budget=1.0), pace=Pace(base=0.01)) as mover,
        pytest.raises(OutOfTime),
    ):
        mover.store([storage.url + "/new"], hands.source(DATA * 5), hands.tried)
    assert "/new" not in storage.files


def test_a_black_hole_takes_no_longer_than_the_budget(hands: Hands) -> None:
    with (
        black_hole() as url,
        Mover(wire.Transfers(stall=30.0, budget=1.0)) as mover,
        pytest.raises(OutOfTime),
    ):
        mover.store([url + "/new"], hands.source(DATA), hands.tried)


def test_places_of_this_machine_are_places_too(hands: Hands, tmp_path: Path) -> None:
    place = tmp_path / "é place" / "new"
    stored = hands.store(DATA, "http://127.0.0.1:1/new", place.as_uri())
    assert stored.url == place.as_uri()
    assert place.read_bytes() == DATA
    assert [entry.name for entry in place.parent.iterdir()] == ["new"]


def test_a_result_that_changes_while_it_is_sent_is_noticed(hands: Hands, storage: FaultyStorage) -> None:
    source = hands.source(DATA)
    with open(source.path, "ab") as file:
        file.write(b"more")
    with pytest.raises((Exhausted, Permanent)):
        hands.mover.store([storage.url + "/new"], source, hands.tried)
    assert "/new" not in storage.files
