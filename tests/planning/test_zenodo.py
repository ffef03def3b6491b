"""Descriptors from Zenodo, by a stand-in that speaks the record API that Zenodo documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadRequest, EngineError, NotFound, Unavailable
from engine.planning import load_descriptor
from engine.planning.zenodo import LARGEST, cached
from tests.planning.samples import descriptor_of, text
from tests.services.zenodo_stand_in import StandIn, start_zenodo

DESCRIPTOR = json.dumps(descriptor_of("tool [A]", text("a")).data).encode()


@pytest.fixture
def zenodo(home: Path) -> Iterator[StandIn]:
    """A stand-in on loopback, and an empty cache."""
    with start_zenodo() as stand_in:
        yield stand_in


def load(zenodo: StandIn, name: str = "zenodo.7") -> Any:
    return load_descriptor(name, network=True, endpoint=zenodo.url).data


@pytest.mark.parametrize("name", ["zenodo.7", "10.5281/zenodo.7", "https://doi.org/10.5281/zenodo.7"])
def test_a_published_descriptor_is_fetched_once_into_boshs_cache(zenodo: StandIn, name: str) -> None:
    zenodo.publish(7, DESCRIPTOR)
    assert load(zenodo, name) == json.loads(DESCRIPTOR)
    assert cached("7").read_bytes() == DESCRIPTOR
    zenodo.answers.clear()
    assert load(zenodo, name) == json.loads(DESCRIPTOR)
    assert len(zenodo.asked) == 2


def test_the_network_is_not_used_unless_asked(zenodo: StandIn) -> None:
    zenodo.publish(7, DESCRIPTOR)
    with pytest.raises(NotFound, match="--network fetches it"):
        load_descriptor("zenodo.7", endpoint=zenodo.url)
    assert zenodo.asked == []


def refused(zenodo: StandIn, kind: type[EngineError]) -> str:
    """The one line of a refusal, which leaves nothing in the cache."""
    with pytest.raises(kind) as caught:
        load(zenodo)
    assert not cached("7").parent.exists() or list(cached("7").parent.iterdir()) == []
    return str(caught.value)


def test_a_record_that_is_not_there_is_not_found(zenodo: StandIn) -> None:
    assert refused(zenodo, NotFound) == "zenodo.7: no such record on Zenodo"


def test_a_cut_transfer_leaves_nothing_behind(zenodo: StandIn) -> None:
    zenodo.publish(7, DESCRIPTOR)
    zenodo.cut = 20
    assert "zenodo.7" in refused(zenodo, Unavailable)


MD5, SHA256 = hashlib.md5(DESCRIPTOR).hexdigest(), hashlib.sha256(DESCRIPTOR).hexdigest()


@pytest.mark.parametrize("checksum", [f"md5:{MD5}", f"sha256:{SHA256}", MD5, f":{MD5}", f"md5:{MD5.upper()}"])
def test_each_kind_of_checksum_that_zenodo_gives_is_compared(zenodo: StandIn, checksum: str) -> None:
    """Without it, the tools of a new kind of record could not be fetched, or would not be verified."""
    zenodo.publish(7, DESCRIPTOR, checksum=checksum)
    assert load(zenodo) == json.loads(DESCRIPTOR)


@pytest.mark.parametrize(
    "checksum",
    [
        "md5:" + "0" * 32,
        "sha256:" + "0" * 64,
        "0" * 32,
        f"sha256:{MD5}",
        f"md5:{SHA256}",
        f"sha1:{hashlib.sha1(DESCRIPTOR).hexdigest()}",
        "md5:",
        "",
    ],
)
def test_bytes_that_are_not_what_the_checksum_says_are_refused(zenodo: StandIn, checksum: str) -> None:
    zenodo.publish(7, DESCRIPTOR, checksum=checksum)
    assert f"what came is not what its checksum {checksum} says" in refused(zenodo, Unavailable)


@pytest.mark.parametrize("more", [-1, 1])
def test_bytes_that_are_more_or_fewer_than_the_record_says_are_refused(zenodo: StandIn, more: int) -> None:
    size = len(DESCRIPTOR) + more
    zenodo.publish(7, DESCRIPTOR, size=size)
    assert f"{len(DESCRIPTOR)} of {size} bytes came" in refused(zenodo, Unavailable)


@pytest.mark.parametrize("status", [404, 410])
def test_a_record_that_is_gone_is_not_found(zenodo: StandIn, status: int) -> None:
    zenodo.answers["/api/records/7"] = (status, b"")
    assert refused(zenodo, NotFound) == "zenodo.7: no such record on Zenodo"


@pytest.mark.parametrize(("size", "asked"), [(LARGEST, 2), (LARGEST + 1, 1)])
def test_the_largest_descriptor_is_fetched_and_no_larger_one(zenodo: StandIn, size: int, asked: int) -> None:
    zenodo.publish(7, DESCRIPTOR, size=size)
    refused(zenodo, EngineError)
    assert len(zenodo.asked) == asked


@pytest.mark.parametrize(
    "answer",
    [b"<html>later</html>", b"[]", b"{}", b'{"files": [{"key": "a.json"}]}', b'{"files": 3}', b"\xff"],
)
def test_an_answer_that_is_no_record_is_told(zenodo: StandIn, answer: bytes) -> None:
    zenodo.answers["/api/records/7"] = (200, answer)
    assert "something else than a record" in refused(zenodo, Unavailable)


def test_a_server_in_trouble_is_tried_later(zenodo: StandIn) -> None:
    zenodo.answers["/api/records/7"] = (503, b"")
    assert "answers with status 503 (try later)" in refused(zenodo, Unavailable)


def test_a_record_without_a_descriptor_is_told(zenodo: StandIn) -> None:
    zenodo.publish(7, DESCRIPTOR, key="data.nii.gz")
    assert "no JSON file" in refused(zenodo, BadRequest)


def test_a_file_elsewhere_is_not_fetched(zenodo: StandIn) -> None:
    for link in ("file:///etc/passwd", "http://127.0.0.1:9/x.json"):
        zenodo.publish(7, DESCRIPTOR, links={"self": link})
        assert "which is not fetched" in refused(zenodo, Unavailable)


def test_a_file_too_large_for_a_descriptor_is_not_fetched(zenodo: StandIn) -> None:
    zenodo.publish(7, DESCRIPTOR, size=1 << 40)
    assert "a descriptor has at most" in refused(zenodo, BadRequest)
    assert zenodo.asked == ["/api/records/7"]
