"""What takes more time than its bytes should: long fields, and chunks of one byte."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from engine.api import ranges
from engine.api.connections import AcceptedConnection

MANY = 5_000_000
"""Of what is tried at each length, these take days."""


@pytest.mark.parametrize(
    "field",
    ["bytes={}x", "bytes={}", "bytes=0{}x", "bytes=0-{}x", "bytes=-{}1", "bytes={}0{}-{}5{}x"],
)
def test_a_range_with_many_spaces_is_read_at_once(field: str) -> None:
    piece = ranges.choose({"range": field.replace("{}", " " * MANY)}, 10, "tag")
    assert piece.status in (200, 206)


def test_a_range_with_spaces_is_a_range() -> None:
    assert ranges.choose({"range": "bytes= 1 - 4 "}, 10, "tag") == ranges.RangeReply(206, 1, 5)


@pytest.mark.parametrize(
    ("state", "most"),
    [({}, 16 << 10), ({"account": None}, 16 << 10), ({"account": SimpleNamespace(id="a")}, 64 << 10)],
)
def test_a_stranger_is_read_in_small_pieces(state: dict[str, object], most: int) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(bytes(100_000))
        one = AcceptedConnection(ours.detach(), ("x", 1), 0.0, lambda _: None)
        one.begin(state)
        with one:
            assert len(one.recv(1 << 18)) == most
            assert len(one.recv(10)) == 10
