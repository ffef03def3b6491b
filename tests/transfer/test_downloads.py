"""Every way a download can go wrong: never a wrong or partial file, never a hang, always a record."""

from __future__ import annotations

import pytest

from tests.services.faulty_storage import (
    DROP,
    FLIP,
    Fault,
    FaultyStorage,
    black_hole,
    cut,
    drip,
    faulty_storage,
    redirect,
    reset,
    stall,
    status,
)
from tests.transfer.conftest import DATA, Hands, sums
from wrappers import wire
from wrappers.transfer.errors import OutOfTime, TransferError
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.rounds import Exhausted, Pace

pytestmark = pytest.mark.whole

KNOWN = Expected(len(DATA), {"adler32": sums(DATA)["adler32"]})
UNKNOWN = Expected()


@pytest.mark.parametrize("expected", [KNOWN, UNKNOWN, Expected(len(DATA))], ids=["known", "unknown", "size"])
def test_a_file_comes_whole_with_its_checksums(
    hands: Hands, storage: FaultyStorage, expected: Expected
) -> None:
    fetched = hands.fetch(storage.url + "/data", expected=expected)
    assert hands.target.read_bytes() == DATA
    assert fetched.sums["sha256"] == sums(DATA)["sha256"]
    assert [(one.url, one.size, one.error) for one in hands.tried] == [(storage.url + "/data", len(DATA), "")]


@pytest.mark.parametrize("expected", [KNOWN, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize(
    "fault", [cut(2_000_000), reset(2_000_000), stall(2_000_000)], ids=lambda one: one.kind
)
def test_a_cut_download_goes_on_where_it_was(
    hands: Hands, storage: FaultyStorage, fault: Fault, expected: Expected
) -> None:
    storage.faults["GET"] = [fault]
    hands.fetch(storage.url + "/data", expected=expected)
    assert hands.target.read_bytes() == DATA
    assert any("Range" in headers for _, _, headers in storage.seen)
    if fault.kind != "reset":  # that takes along what was on its way
        assert storage.sent == len(DATA)


def test_a_server_without_ranges_is_asked_from_the_start(hands: Hands, storage: FaultyStorage) -> None:
    storage.ranges = False
    storage.faults["GET"] = [cut(2_000_000)]
    hands.fetch(storage.url + "/data", expected=UNKNOWN)
    assert hands.target.read_bytes() == DATA


def test_a_file_that_was_replaced_meanwhile_is_not_patched_together(
    hands: Hands, storage: FaultyStorage
) -> None:
    storage.faults["GET"] = [cut(2_000_000)]
    newer = DATA[::-1]
    first = storage.next_fault

    def replace(method: str) -> Fault | None:
        fault = first(method)
        if fault is None:
            storage.files["/data"] = newer
        return fault

    storage.next_fault = replace  # type: ignore[method-assign]
    hands.fetch(storage.url + "/data", expected=UNKNOWN)
    assert hands.target.read_bytes() == newer


def test_an_error_page_is_never_taken_for_the_file(hands: Hands, storage: FaultyStorage) -> None:
    with pytest.raises(Exhausted, match="status 404") as caught:
        hands.fetch(storage.url + "/nothing")
    assert caught.value.hopeless
    assert storage.count("GET") == 1  # it would not be there the next time either


def test_a_cut_body_without_length_is_refused_by_its_size(hands: Hands, storage: FaultyStorage) -> None:
    storage.lengths = False
    storage.always["GET"] = cut(2_000_000)
    with pytest.raises(Exhausted, match="2000000 bytes came, but 3000000 are expected"):
        hands.fetch(storage.url + "/data", expected=Expected(len(DATA)))


def test_a_body_of_which_nobody_knows_the_length_is_refused(hands: Hands, storage: FaultyStorage) -> None:
    storage.lengths = False
    with pytest.raises(Exhausted, match="does not say where the file ends"):
        hands.fetch(storage.url + "/data")


def test_a_flipped_byte_is_noticed_and_the_file_fetched_anew(hands: Hands, storage: FaultyStorage) -> None:
    storage.faults["GET"] = [FLIP]
    hands.fetch(storage.url + "/data", expected=KNOWN)
    assert hands.target.read_bytes() == DATA
    assert "adler32" in hands.errors()[0]


def test_a_flipped_byte_is_noticed_by_the_storages_own_checksum(hands: Hands, storage: FaultyStorage) -> None:
    storage.faults["GET"] = [FLIP]
    hands.fetch(storage.url + "/data", expected=UNKNOWN)
    assert hands.target.read_bytes() == DATA
    assert "the storage's own" in hands.errors()[0]


def test_a_file_that_is_another_one_for_good_is_refused(hands: Hands, storage: FaultyStorage) -> None:
    with pytest.raises(Exhausted, match="its sha256 is"):
        hands.fetch(storage.url + "/data", expected=Expected(sums={"sha256": "0" * 64}))
    assert len(hands.tried) == 3


def test_a_file_of_another_size_is_refused_before_it_is_fetched(hands: Hands, storage: FaultyStorage) -> None:
    with pytest.raises(Exhausted, match="it has 3000000 bytes, but 5 are expected"):
        hands.fetch(storage.url + "/data", expected=Expected(5))


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "1"}], ids=["plain", "retry-after"])
def test_a_busy_storage_is_asked_again(hands: Hands, storage: FaultyStorage, headers: dict[str, str]) -> None:
    storage.faults["GET"] = [status(503, **headers)] * 2
    hands.fetch(storage.url + "/data", expected=KNOWN)
    assert hands.target.read_bytes() == DATA
    assert storage.count("GET") == 3


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 410, 501, 507])
def test_what_fails_for_good_is_not_tried_twice(hands: Hands, storage: FaultyStorage, code: int) -> None:
    storage.always["GET"] = status(code)
    with pytest.raises(Exhausted, match=f"status {code}") as caught:
        hands.fetch(storage.url + "/data")
    assert caught.value.hopeless
    assert storage.count("GET") == 1


@pytest.mark.parametrize("code", [408, 409, 423, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_in_every_round(hands: Hands, storage: FaultyStorage, code: int) -> None:
    storage.always["GET"] = status(code)
    with pytest.raises(Exhausted, match=f"status {code}") as caught:
        hands.fetch(storage.url + "/data")
    assert not caught.value.hopeless
    assert storage.count("GET") == 3


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage, code: int
) -> None:
    del storage.files["/data"]
    storage.faults["GET"] = [redirect(other.url, code)]
    fetched = hands.fetch(storage.url + "/data", expected=KNOWN)
    assert hands.target.read_bytes() == DATA
    assert fetched.url == storage.url + "/data"


def test_redirects_without_an_end_are_given_up(hands: Hands, storage: FaultyStorage) -> None:
    storage.always["GET"] = redirect(storage.url)
    with pytest.raises(Exhausted, match="more than 6 redirects"):
        hands.fetch(storage.url + "/data")


def test_replicas_are_tried_breadth_first(hands: Hands, storage: FaultyStorage, other: FaultyStorage) -> None:
    storage.always["GET"] = stall(1000)
    with faulty_storage() as corrupt:
        corrupt.files["/data"] = DATA
        corrupt.always["GET"] = FLIP
        fetched = hands.fetch(
            "http://127.0.0.1:1/data",
            corrupt.url + "/nothing",
            corrupt.url + "/data",
            storage.url + "/data",
            other.url + "/data",
            expected=KNOWN,
        )
    assert fetched.url == other.url + "/data"
    assert hands.target.read_bytes() == DATA
    dead, missing, wrong, stalled, *_ = hands.errors()  # one each
    assert "refused" in dead
    assert "404" in missing
    assert "adler32" in wrong
    assert "nothing happened for too long" in stalled


def test_another_replica_goes_on_where_one_was_cut_when_a_checksum_can_tell(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage
) -> None:
    storage.faults["GET"] = [cut(900_000)]
    storage.always["GET"] = status(500)
    hands.fetch(storage.url + "/data", other.url + "/data", expected=KNOWN)
    assert hands.target.read_bytes() == DATA
    assert other.sent == len(DATA) - 900_000


def test_another_replica_starts_anew_when_no_checksum_can_tell(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage
) -> None:
    storage.faults["GET"] = [cut(900_000)]
    storage.always["GET"] = status(500)
    hands.fetch(storage.url + "/data", other.url + "/data", expected=UNKNOWN)
    assert hands.target.read_bytes() == DATA
    assert other.sent == len(DATA)


def test_what_two_replicas_make_together_is_verified(
    hands: Hands, storage: FaultyStorage, other: FaultyStorage
) -> None:
    storage.files["/data"] = bytes(len(DATA))
    storage.faults["GET"] = [cut(900_000)]
    storage.always["GET"] = status(404)
    hands.fetch(storage.url + "/data", other.url + "/data", expected=KNOWN)
    assert hands.target.read_bytes() == DATA
    assert "adler32" in hands.errors()[1]


def _short(budget: float) -> Mover:
    return Mover(wire.Transfers(stall=30.0, budget=budget), pace=Pace(base=0.01))


def test_a_black_hole_never_holds_longer_than_the_budget(hands: Hands) -> None:
    with black_hole() as url, _short(1.0) as mover, Part(str(hands.target), KNOWN) as part:  # noqa: SIM117
        with pytest.raises(OutOfTime, match="the 1 s for transfers are over"):
            mover.fetch([url + "/data"], part, hands.tried)
    assert hands.tried[0].url == url + "/data"


def test_a_storage_that_drips_never_holds_longer_than_the_budget(
    hands: Hands, storage: FaultyStorage
) -> None:
    storage.always["GET"] = drip(1000)
    with _short(1.0) as mover, Part(str(hands.target), KNOWN) as part, pytest.raises(OutOfTime):
        mover.fetch([storage.url + "/data"], part, hands.tried)


def test_an_empty_file_is_a_file(hands: Hands, storage: FaultyStorage) -> None:
    storage.files["/empty"] = b""
    for expected in (UNKNOWN, Expected(0, {"sha256": sums(b"")["sha256"]})):
        assert hands.fetch(storage.url + "/empty", expected=expected).sums[
            "adler32" if not expected.sums else "sha256"
        ]
        assert hands.target.read_bytes() == b""


@pytest.mark.parametrize(
    "name", ["a b.nii", "é.txt", "'quote\".txt", "x" * 251 + ".nii", "100%.txt", "a&b=c+d;e.txt", "#1?.txt"]
)
def test_names_are_what_they_are(hands: Hands, storage: FaultyStorage, name: str) -> None:
    from urllib.parse import quote

    storage.files["/dir x/" + name] = DATA
    hands.fetch(f"{storage.url}/dir%20x/{quote(name)}", expected=KNOWN)
    assert hands.target.read_bytes() == DATA


def test_a_kept_connection_that_was_closed_is_no_error(hands: Hands, storage: FaultyStorage) -> None:
    storage.files["/small"] = b"small"
    small = Expected(5)
    hands.fetch(storage.url + "/small", expected=small)
    storage.faults["GET"] = [DROP]
    hands.fetch(storage.url + "/small", expected=small)
    assert hands.target.read_bytes() == b"small"
    assert hands.errors() == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/x", "ftp is not one of"),
        ("lfn:/vo/x", "this node has no DIRAC client"),
        ("http://user:secret@127.0.0.1/x", "holds a login"),
        ("http://127.0.0.1:99999/x", "impossible port"),
        ("http:///x", "is not an http"),
        ("s3://bucket/key", "only the engine can give leave"),
        ("girder://host/collection/x", "only the engine can give leave"),
        ("file:///no/such/file", "no such file"),
        ("http://no-such-host.invalid/x", "connecting to no-such-host.invalid:80"),
    ],
)
def test_a_url_that_cannot_work_is_told_so(hands: Hands, url: str, words: str) -> None:
    with pytest.raises(TransferError, match=words) as caught:
        hands.fetch(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in "".join(one.url + one.error for one in hands.tried)
