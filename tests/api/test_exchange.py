"""Claims become grants: for what the attempt's own orders name, and only while the attempt lives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.app.access.claims import Claims
from engine.app.access.exchange import NodeStorages, named
from engine.app.access.key import Key
from engine.clock import Clock
from engine.domain.attempt import AttemptEvent
from engine.errors import BadRequest
from engine.ids import AttemptId
from engine.ports import Storage
from engine.storages.scoping import scope_down
from engine.testing.clock import FakeClock
from tests.api.post import KEY, Post, access_of, serving
from wrappers import wire
from wrappers.transfer.client import Access
from wrappers.transfer.errors import Denied
from wrappers.transfer.source import FileSource
from wrappers.transfer.webdav import WebdavUploader
from wrappers.wire import Grant, Manifest, Want

pytestmark = pytest.mark.whole


def storage_of(url: str, owner: str, execution: str) -> Storage:
    raise BadRequest(f"no storage for {url}")


def node_storages(url: str, clock: Clock) -> NodeStorages:
    def scoped(url: str, method: str, owner: str, execution: str, seconds: float) -> Grant:
        return scope_down(url, method, seconds, None, clock)

    return NodeStorages(f"{url}/se", storage_of, scoped)


@pytest.fixture
def post(tmp_path: Path, clock: FakeClock) -> Iterator[Post]:
    def inputs(url: str) -> list[str]:
        return [f"{url}/se/inputs/file", "https://se.example.org/vo/file", "s3://bucket/file"]

    place = "https://se.example.org/vo/out"
    with serving(tmp_path, clock, lambda url: node_storages(url, clock), inputs, place) as post:
        yield post


def test_a_claim_gets_leave_to_write_below_its_own_place_and_nowhere_else(post: Post, tmp_path: Path) -> None:
    mine, others = f"{post.place()}/out.txt", f"{post.place(1)}/out.txt"
    exchange = post.exchange()
    grant = exchange.grant(mine, "PUT")
    post.put(mine, b"result", access_of(grant))
    assert (
        tmp_path / "storage" / post.held[0].execution_id / post.held[0].id / "out.txt"
    ).read_bytes() == b"result"
    assert post.status("GET", mine, access_of(grant)) == 200
    assert post.status("DELETE", mine, access_of(grant)) == 204
    for method in ("PUT", "GET", "DELETE"):
        assert post.status(method, others, access_of(grant)) == 403
    assert exchange.grant(others, "PUT") is None
    assert exchange.refusal(others, "PUT") == "the attempt's manifest does not name it"


def test_the_wrappers_own_uploader_stores_and_verifies_with_a_grant(post: Post, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(range(256)) * 40_000)
    url = f"{post.place()}/dir/with%20space/big"
    grant = post.exchange().grant(url, "PUT")
    how = WebdavUploader(post.client, read_back=0).store(
        url, FileSource(str(tmp_path / "big")), access_of(grant)
    )
    assert how == "adler32"


def test_an_input_may_be_read_and_not_written(post: Post, tmp_path: Path) -> None:
    (tmp_path / "storage/inputs").mkdir()
    (tmp_path / "storage/inputs/file").write_bytes(b"input")
    url = f"{post.http.url}/se/inputs/file"
    exchange = post.exchange()
    read = access_of(exchange.grant(url, "GET"))
    assert post.status("GET", url, read) == 200
    assert post.status("PUT", url, read) == 403
    assert post.status("GET", f"{post.http.url}/se/inputs/other", read) == 403
    assert exchange.grant(url, "PUT") is None


@pytest.mark.parametrize(
    ("url", "method", "why"),
    [
        ("https://se.example.org/vo/other", "GET", "manifest does not name it"),
        ("https://se.example.org/vo/out/../../etc/passwd", "PUT", "manifest does not name it"),
        ("https://se.example.org/vo/out/%2e%2e/x", "PUT", "manifest does not name it"),
        ("https://se.example.org/vo/outside", "PUT", "manifest does not name it"),
        ("https://se.example.org/vo/out", "PUT", "manifest does not name it"),
        ("https://se.example.org/vo/out/x?a=b", "PUT", "manifest does not name it"),
        ("https://other.example.org/vo/out/x", "PUT", "manifest does not name it"),
        ("https://se.example.org/vo/file", "DELETE", "manifest does not name it"),
        ("sandbox:x", "PUT", "manifest does not name it"),
        ("", "GET", "manifest does not name it"),
        ("s3://bucket/file", "GET", "no storage for s3://bucket/file"),
    ],
)
def test_what_is_refused_is_refused_with_a_reason(post: Post, url: str, method: str, why: str) -> None:
    exchange = post.exchange()
    assert exchange.grant(url, method) is None
    assert why in exchange.refusal(url, method)


@pytest.mark.parametrize(
    "news",
    [
        (AttemptEvent.REJECTED,),
        (AttemptEvent.ACCEPTED, AttemptEvent.SEEN_FINISHED),
        (
            AttemptEvent.ACCEPTED,
            AttemptEvent.SEEN_RUNNING,
            AttemptEvent.SEEN_FINISHED,
            AttemptEvent.REPORT_SUCCEEDED,
        ),
        (AttemptEvent.ACCEPTED, AttemptEvent.CANCEL_REQUESTED),
        (AttemptEvent.ACCEPTED, AttemptEvent.GONE),
    ],
)
def test_claim_and_tokens_die_with_the_attempt(post: Post, news: tuple[AttemptEvent, ...]) -> None:
    url = f"{post.place()}/out.txt"
    grant = access_of(post.exchange().grant(url, "PUT"))
    post.put(url, b"x", grant)
    post.tell(*news)
    with pytest.raises(Denied, match="401"):
        post.exchange().grant(url, "PUT")
    for method in ("PUT", "GET", "DELETE"):
        assert post.status(method, url, grant) == 401
    assert post.exchange(1).grant(f"{post.place(1)}/out.txt", "PUT")


def test_a_claim_is_good_while_the_attempt_waits_and_runs(post: Post) -> None:
    url = f"{post.place()}/out.txt"
    for news in (AttemptEvent.ACCEPTED, AttemptEvent.SEEN_RUNNING):
        post.tell(news)
        post.clock.advance(7 * 86_400)
        post.put(url, b"x", access_of(post.exchange().grant(url, "PUT")))


def test_a_claim_runs_out_in_the_end(post: Post) -> None:
    post.clock.advance(31 * 86_400)
    with pytest.raises(Denied):
        post.exchange().grant(f"{post.place()}/out.txt", "PUT")


def test_a_grant_is_good_for_an_hour(post: Post) -> None:
    url = f"{post.place()}/out.txt"
    grant = post.exchange().grant(url, "PUT")
    assert grant is not None
    assert grant.expires == post.clock.now() + 3600
    post.clock.advance(3600)
    assert post.status("PUT", url, access_of(grant)) == 401


@pytest.mark.parametrize("claim", ["x", "x.y", ".", "01KXXXXXXXXXXXXXXXXXXXXXXX.", "é"])
def test_a_claim_that_is_not_ours_is_worth_nothing(post: Post, claim: str) -> None:
    code, words = post.ask(b'{"wants":[]}', Authorization=f"Bearer {claim}".encode().decode("latin-1"))
    assert (code, words.count(b"\n")) == (401, 1)


def test_an_attempt_cannot_use_the_claim_of_another(post: Post) -> None:
    id_, _, _ = post.claim(0).partition(".")
    _, _, signature = post.claim(1).partition(".")
    assert post.ask(b'{"wants":[]}', Authorization=f"Bearer {id_}.{signature}")[0] == 401
    assert post.exchange(1).grant(f"{post.place(0)}/out.txt", "PUT") is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"wants":[{"url":1,"method":"GET"}]}', b"\xff\xfe", b'{"wants":']
)
def test_nonsense_is_told_to_be_nonsense(post: Post, body: bytes) -> None:
    code, words = post.ask(body, Authorization=f"Bearer {post.claim()}")
    assert (code, words.count(b"\n")) == (400, 1)


def test_without_a_claim_nothing_is_read(post: Post) -> None:
    assert post.ask(b'{"wants":[]}')[0] == 401
    assert post.ask(b'{"wants":[]}', Authorization="Basic eDp5")[0] == 401


def test_a_request_without_end_is_refused(post: Post) -> None:
    wants = wire.dumps(wire.Wants([Want("x" * 1000, "GET")] * 5000)).encode()
    assert post.ask(wants, Authorization=f"Bearer {post.claim()}")[0] == 413


def test_many_wants_are_answered_at_once(post: Post) -> None:
    wants = [Want(f"{post.place()}/{n}", "PUT") for n in range(200)]
    code, text = post.ask(wire.dumps(wire.Wants(wants)).encode(), Authorization=f"Bearer {post.claim()}")
    assert code == 200
    assert [grant["url"] for grant in json.loads(text)["grants"]] == [want.url for want in wants]


def test_a_resubmitted_attempt_has_the_same_claim_and_another_engines_is_different() -> None:
    assert Claims(KEY).of(AttemptId("A")) == Claims(Key(b"k" * 32)).of(AttemptId("A"))
    assert Claims(KEY).of(AttemptId("A")) != Claims(Key(b"l" * 32)).of(AttemptId("A"))
    assert Claims(KEY).attempt(Claims(KEY).of(AttemptId("A"))) == "A"


def test_results_beside_the_report_need_no_leave() -> None:
    manifest = Manifest("a", "x:1", "x", "true", outputs_to="file:///results/1")
    assert not named(manifest, Want("sandbox:out.txt", "PUT"))
    assert not named(manifest, Want("file:///results/12", "PUT"))


def test_health_says_who_answers_and_readiness_whether_it_can_work(post: Post, tmp_path: Path) -> None:
    with post.client.request("GET", f"{post.http.url}/health", {}, None, Access()) as answer:
        assert json.loads(answer.read())["service"] == "boutiques-engine"
    with post.client.request("GET", f"{post.http.url}/health/ready", {}, None, Access()) as answer:
        assert json.loads(answer.read()) == {"ready": True}
