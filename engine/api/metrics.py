"""Numbers for Prometheus (text format 0.0.4): requests as they come, executions and jobs as they stand.

Three families of numbers are a page of text; no library is needed for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from fastapi import APIRouter, Request, Response

from engine.domain.account import Account, Role
from engine.errors import EngineError
from engine.store import executions, job_counts
from engine.store.database import Database

KIND = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0, 120.0)

DURATION = "http_server_request_duration_seconds"
"""The name and labels of OpenTelemetry's semantic conventions."""
FORMER = "engine"
"""What names began with in 0.1; they are given for one more release."""


@dataclass(slots=True)
class Durations:
    """Durations of requests of one kind."""

    count: int = 0
    seconds: float = 0.0
    within: Counter[float] = field(default_factory=Counter)
    """How many took no longer than each bound."""

    def add(self, seconds: float) -> None:
        """Count a request."""
        self.count += 1
        self.seconds += seconds
        self.within.update(bound for bound in _BOUNDS if seconds <= bound)

    def copy(self) -> Durations:
        """Return one that does not change."""
        return Durations(self.count, self.seconds, self.within.copy())

    def __add__(self, other: Durations) -> Durations:
        return Durations(self.count + other.count, self.seconds + other.seconds, self.within + other.within)


class Metrics:
    """The figures of one engine."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = Lock()
        self._durations: dict[tuple[str, str, str], Durations] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self._lock:
            self._durations.setdefault((method, route, str(status)), Durations()).add(seconds)

    def routes(self, recognise: Callable[[str], Account | None]) -> APIRouter:
        """`GET /metrics`, for the API key of an administrator or a service: Prometheus sends it as a bearer
        token. `recognise` gives the account of a key.
        """
        router = APIRouter()

        @router.get("/metrics")
        def metrics(request: Request) -> Response:
            kind, _, secret = request.headers.get("authorization", "").partition(" ")
            account = recognise(secret.strip()) if kind.lower() == "bearer" else None
            if account is None or account.role not in (Role.ADMIN, Role.SERVICE):
                return Response(
                    "an API key of an administrator or of a service is needed\n",
                    status_code=401,
                    media_type="text/plain",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            try:
                return Response("\n".join([*self._lines(), ""]), media_type=KIND)
            except EngineError as error:
                return Response(f"{error.message}\n", status_code=503, media_type="text/plain")

        return router

    def _lines(self) -> Iterator[str]:
        with self._db.read() as connection:
            of_executions = executions.count_by_state(connection)
            of_jobs = job_counts.jobs_by_state(connection)
        for prefix in ("boutiques_engine", FORMER):
            yield from _gauges(f"{prefix}_executions", "Executions by state", of_executions)
            yield from _gauges(f"{prefix}_jobs", "Jobs of executions that have not ended, by state", of_jobs)
        with self._lock:
            durations = {labels: one.copy() for labels, one in sorted(self._durations.items())}
        yield from _head(DURATION, "histogram", "How long requests to the HTTP interfaces took")
        for (method, route, status), one in durations.items():
            labels = {
                "http_request_method": method,
                "http_route": route,
                "http_response_status_code": status,
            }
            yield from _histogram(DURATION, one, **labels)
        yield from _head(f"{FORMER}_http_requests_total", "counter", "Requests of the portal's interface")
        for (method, route, status), one in durations.items():
            named = _labels(method=method, route=route, status=status)
            yield f"{FORMER}_http_requests_total{named} {one.count}"
        yield from _head(f"{FORMER}_http_request_seconds", "histogram", "How long they took")
        yield from _histogram(f"{FORMER}_http_request_seconds", sum(durations.values(), Durations()))


def _histogram(name: str, durations: Durations, **labels: str) -> Iterator[str]:
    for bound in _BOUNDS:
        yield f"{name}_bucket{_labels(**labels, le=str(bound))} {durations.within[bound]}"
    yield f"{name}_bucket{_labels(**labels, le='+Inf')} {durations.count}"
    named = _labels(**labels) if labels else ""
    yield f"{name}_sum{named} {durations.seconds}"
    yield f"{name}_count{named} {durations.count}"


def _gauges(name: str, words: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield from _head(name, "gauge", words)
    for state, number in sorted(counts.items()):
        yield f"{name}{_labels(state=state)} {number}"


def _head(name: str, kind: str, words: str) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"


def _labels(**labels: str) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
