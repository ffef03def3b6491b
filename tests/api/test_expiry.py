"""Leave that ends in the middle of a transfer is renewed, and the transfer goes on where it was."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from engine.app.access.exchange import GRANT_LIFETIME_S, NodeStorages
from engine.errors import BadRequest
from engine.ports import Storage
from engine.testing.clock import FakeClock
from tests.api.post import Post, serving
from tests.services.lines import line_to
from tests.storages.remote import port_of
from tests.transfer.conftest import LateSource
from wrappers import wire
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.rounds import Pace
from wrappers.wire import Grant

DATA = random.Random(6).randbytes(5 << 20)


class Slow(Part):
    """A file of which the first megabyte takes longer to come than any leave lasts."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(str(path), Expected(len(DATA)))
        self._clock = clock

    def write(self, piece: memoryview) -> None:
        if not self.received:
            self._clock.advance(GRANT_LIFETIME_S + 60)
        super().write(piece)


@contextmanager
def engine(directory: Path, clock: FakeClock, storage: Callable[[str], str]) -> Iterator[Post]:
    """A running engine with one input; `storage` is given its URL, and says where nodes find its storage."""

    def storages_of(url: str) -> NodeStorages:
        return NodeStorages(storage(url), _no_storage, _no_credential)

    with serving(
        directory, clock, storages_of, lambda url: [f"{storage(url)}/inputs/file"], "sandbox:"
    ) as post:
        (directory / "storage/inputs").mkdir()
        (directory / "storage/inputs/file").write_bytes(DATA)
        yield post


def _no_storage(url: str, owner: str, execution: str) -> Storage:
    raise BadRequest(f"no storage for {url}")


def _no_credential(url: str, method: str, owner: str, execution: str, seconds: float) -> Grant:
    raise BadRequest(f"no credential for {url}")


@contextmanager
def mover(post: Post) -> Iterator[Mover]:
    """A node's."""
    transfers = wire.Transfers(budget=60.0)
    with Mover(transfers, "", post.end_point, post.claim(), Pace(rounds=2, base=0.01)) as mover:
        yield mover


def test_a_download_that_is_cut_when_its_leave_is_over_goes_on_with_a_new_one(
    tmp_path: Path, clock: FakeClock
) -> None:
    with ExitStack() as stack:
        line = cache(lambda url: stack.enter_context(line_to(port_of(url))))
        post = stack.enter_context(
            engine(tmp_path, clock, lambda url: f"http://127.0.0.1:{line(url).port}/se")
        )
        line(post.http.url).cut_once_after(3 << 20)
        hands = stack.enter_context(mover(post))
        with Slow(tmp_path / "target", clock) as part:
            hands.fetch([f"http://127.0.0.1:{line(post.http.url).port}/se/inputs/file"], part, [])
        assert not line(post.http.url).once
    assert (tmp_path / "target").read_bytes() == DATA
    assert part.received == len(DATA)


def test_an_upload_whose_leave_ends_under_way_arrives_verified(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "result").write_bytes(DATA)
    tried: list[wire.Tried] = []
    with engine(tmp_path, clock, lambda url: f"{url}/se") as post, mover(post) as hands:
        source = LateSource(tmp_path / "result", lambda: clock.advance(GRANT_LIFETIME_S + 60))
        stored = hands.store([f"{post.place()}/result"], source, tried)
    assert stored.verified == "adler32"
    [result] = tmp_path.glob("storage/*/*/result")
    assert result.read_bytes() == DATA
    assert [one.error for one in tried] == [""]
