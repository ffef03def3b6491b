"""A running engine's HTTP side with attempts in its database, and a node's ways to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.api.parts import Http
from engine.app.access.attempt_liveness import CACHED_S
from engine.app.access.claims import Claims
from engine.app.access.exchange import NodeStorages
from engine.app.access.key import Key
from engine.app.portal.audit import AuditTrail
from engine.domain.attempt import AttemptEvent
from engine.ids import AttemptId, JobId
from engine.settings.service import ApiSection
from engine.settings.tree import Settings
from engine.store import attempts, lifecycle
from engine.store.attempts import Attempt
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.lifecycle import EventNotice
from engine.testing.clock import FakeClock
from tests.services.registry import free_port
from tests.store.samples import an_execution, attempts_of
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Access, Bytes, HttpClient
from wrappers.transfer.exchange import ExchangeClient
from wrappers.wire import Grant, Input, Manifest

KEY = Key(b"k" * 32)


@dataclass
class Post:
    """A running engine's HTTP side, with two attempts in its database."""

    http: Http
    db: Database
    clock: FakeClock
    held: Sequence[Attempt]
    client: HttpClient

    @property
    def end_point(self) -> str:
        return f"{self.http.url}/node/exchange"

    def claim(self, number: int = 0) -> str:
        return Claims(KEY).of(self.held[number].id)

    def place(self, number: int = 0) -> str:
        return f"{self.http.url}/se/{self.held[number].execution_id}/{self.held[number].id}"

    def exchange(self, number: int = 0, claim: str = "") -> ExchangeClient:
        """What a node uses."""
        return ExchangeClient(self.end_point, claim or self.claim(number), self.client)

    def ask(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        """A request as no node sends it."""
        with self.client.request("POST", self.end_point, {}, Bytes(body), Access(dict(headers))) as answer:
            return answer.status, answer.read()

    def put(self, url: str, data: bytes, access: Access) -> None:
        with self.client.request("PUT", url, {}, Bytes(data), access) as answer:
            answer.read()
            assert answer.status in (200, 201, 204)

    def status(self, method: str, url: str, access: Access) -> int:
        body = Bytes(b"x") if method == "PUT" else None
        with self.client.request(method, url, {}, body, access) as answer:
            answer.read()
            return answer.status

    def tell(self, *news: AttemptEvent) -> None:
        """Let things happen to the first attempt."""
        for one in news:
            with self.db.write() as connection:
                found = attempts.find(connection, self.held[0].id)
                assert found is not None
                lifecycle.apply_events(connection, [EventNotice(found, one)], now=self.clock.now())
        self.clock.advance(CACHED_S)


@contextmanager
def serving(
    directory: Path,
    clock: FakeClock,
    doors: Callable[[str], NodeStorages],
    inputs: Callable[[str], Sequence[str]],
    outputs_to: str,
) -> Iterator[Post]:
    """Two attempts whose orders name these; `doors` and `inputs` are given the engine's public URL."""
    db = Database(f"sqlite:///{directory / 'engine.db'}")
    execution = an_execution(db, 2)
    attempts_of(db, execution)
    with db.read() as connection:
        held = [a for n in (1, 2) for a in attempts.of_job(connection, JobId(n))]
    url = f"http://127.0.0.1:{free_port()}"

    def make(execution: Execution, job: Job, attempt: AttemptId) -> Manifest:
        return Manifest(
            attempt=attempt,
            job="x:1",
            execution=execution.id,
            command="true",
            inputs=[Input("in", each, "file") for each in inputs(url)],
            outputs_to=outputs_to,
            outputs_also=[f"{url}/se/{execution.id}/{attempt}", "sandbox:"],
        )

    section = ApiSection(listen=url.removeprefix("http://"), public_url=url, root=directory / "storage")
    trail = AuditTrail(db, lambda: KEY, clock)
    http = Http(Settings(api=section), db, make, KEY, doors(url), None, trail, clock)
    http.start()
    client = HttpClient(Budget(60.0))
    try:
        yield Post(http, db, clock, held, client)
    finally:
        client.close()
        http.stop()
        db.close()


def access_of(grant: Grant | None) -> Access:
    """What a node shows with a grant."""
    assert grant is not None
    return Access(dict(grant.headers))
