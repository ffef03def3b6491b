"""Descriptors from Zenodo, by a stand-in that speaks the record API that Zenodo documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from engine.errors import BadRequest, EngineError, NotFound, Unavailable
from engine.planning import load_descriptor
from engine.planning.zenodo import cached
from tests.planning.samples import descriptor_of, text

DESCRIPTOR = json.dumps(descriptor_of("tool [A]", text("a")).data).encode()


@dataclass
class StandIn:
    """Answers by path: a status and bytes, of which only the first `cut` are sent."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    cut: int | None = None
    asked: list[str] = field(default_factory=list)

    def publish(self, number: int, data: bytes = DESCRIPTOR, **changes: Any) -> None:
        """A record with one file, as Zenodo answers it."""
        link = f"{self.url}/api/records/{number}/files/tool.json/content"
        file = {
            "id": "b0c3",
            "key": "tool.json",
            "size": len(data),
            "checksum": "md5:" + hashlib.md5(data).hexdigest(),
            "links": {"self": link},
            **changes,
        }
        paper = {"key": "paper.pdf", "size": 1, "checksum": "md5:0", "links": {"self": f"{self.url}/paper"}}
        record = {"id": number, "doi": f"10.5281/zenodo.{number}", "files": [paper, file]}
        self.answers[f"/api/records/{number}"] = (200, json.dumps(record).encode())
        self.answers[f"/api/records/{number}/files/tool.json/content"] = (200, data)


@pytest.fixture
def zenodo(home: Path) -> Iterator[StandIn]:
    """A stand-in on loopback, and an empty cache."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.asked.append(self.path)
            status, data = stand_in.answers.get(self.path, (404, b'{"status": 404, "message": "gone"}'))
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: stand_in.cut] if self.path.endswith("/content") else data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        yield stand_in
        server.shutdown()


def load(zenodo: StandIn, name: str = "zenodo.7") -> Any:
    return load_descriptor(name, network=True, endpoint=zenodo.url).data


@pytest.mark.parametrize("name", ["zenodo.7", "10.5281/zenodo.7", "https://doi.org/10.5281/zenodo.7"])
def test_a_published_descriptor_is_fetched_once_into_boshs_cache(zenodo: StandIn, name: str) -> None:
    zenodo.publish(7)
    assert load(zenodo, name) == json.loads(DESCRIPTOR)
    assert cached("7").read_bytes() == DESCRIPTOR
    zenodo.answers.clear()
    assert load(zenodo, name) == json.loads(DESCRIPTOR)
    assert len(zenodo.asked) == 2


def test_the_network_is_not_used_unless_asked(zenodo: StandIn) -> None:
    zenodo.publish(7)
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
    zenodo.publish(7)
    zenodo.cut = 20
    assert "zenodo.7" in refused(zenodo, Unavailable)


def test_bytes_that_are_not_what_the_checksum_says_are_refused(zenodo: StandIn) -> None:
    zenodo.publish(7, checksum="md5:" + "0" * 32)
    assert "what came is not what its checksum md5:0000" in refused(zenodo, Unavailable)
    zenodo.publish(7, size=len(DESCRIPTOR) + 1)
    assert f"{len(DESCRIPTOR)} of {len(DESCRIPTOR) + 1} bytes came" in refused(zenodo, Unavailable)


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
    zenodo.publish(7, key="data.nii.gz")
    assert "no JSON file" in refused(zenodo, BadRequest)


def test_a_file_elsewhere_is_not_fetched(zenodo: StandIn) -> None:
    for link in ("file:///etc/passwd", "http://127.0.0.1:9/x.json"):
        zenodo.publish(7, links={"self": link})
        assert "which is not fetched" in refused(zenodo, Unavailable)


def test_a_file_too_large_for_a_descriptor_is_not_fetched(zenodo: StandIn) -> None:
    zenodo.publish(7, size=1 << 40)
    assert "a descriptor has at most" in refused(zenodo, BadRequest)
    assert zenodo.asked == ["/api/records/7"]
