"""Numbers for Prometheus (text format 0.0.4): requests as they come, executions and jobs as they stand.

Three families of numbers are a page of text; no library is needed for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from threading import Lock

from fastapi import APIRouter, Request, Response

from engine.domain.account import Account, Role
from engine.errors import EngineError
from engine.store import executions, job_counts
from engine.store.database import Database

KIND = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0, 120.0)


class Metrics:
    """What can be watched of one engine."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._within: Counter[float] = Counter()
        self._seconds = 0.0

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self._lock:
            self._requests[method, route, str(status)] += 1
            self._seconds += seconds
            self._within.update(bound for bound in _BOUNDS if seconds <= bound)

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
        yield from _gauges("engine_executions", "Executions by state", of_executions)
        yield from _gauges("engine_jobs", "Jobs of executions that have not ended, by state", of_jobs)
        with self._lock:
            requests, within, seconds = dict(self._requests), dict(self._within), self._seconds
        yield from _head("engine_http_requests_total", "counter", "Requests of the portal's interface")
        for (method, route, status), count in sorted(requests.items()):
            labels = _labels(method=method, route=route, status=status)
            yield f"engine_http_requests_total{labels} {count}"
        total = sum(requests.values())
        yield from _head("engine_http_request_seconds", "histogram", "How long they took")
        for bound in _BOUNDS:
            yield f"engine_http_request_seconds_bucket{_labels(le=str(bound))} {within.get(bound, 0)}"
        yield f"engine_http_request_seconds_bucket{_labels(le='+Inf')} {total}"
        yield f"engine_http_request_seconds_sum {seconds}"
        yield f"engine_http_request_seconds_count {total}"


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
