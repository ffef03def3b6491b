"""Whose an attempt is: found by the name that a back-end has for its job, or by the host where it ran."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.store.rows import from_row
from engine.store.schema import account, attempt, descriptor, execution, job, launch, submission

CLOCKS_S = 1.0
"""Seconds by which clocks may differ, and times may be rounded."""


@dataclass(frozen=True, slots=True)
class Trace:
    """An attempt, and everybody and everything behind it."""

    execution_id: str
    owner: str
    """The account's id; for executions that were not launched through the portal, who started the engine."""
    account: str
    """Its name; empty where there is no account."""
    issuer: str
    subject: str
    address: str
    pipeline: str
    job: int
    attempt: str
    state: str
    backend: str
    native_id: str
    site: str
    started: float
    ended: float
    report: dict[str, Any]
    descriptor: dict[str, Any]


_QUERY = (
    sa.select(
        execution.c.id.label("execution_id"),
        execution.c.owner,
        account.c.name.label("account"),
        account.c.issuer,
        account.c.subject,
        launch.c.address,
        launch.c.pipeline,
        job.c.number.label("job"),
        attempt.c.id.label("attempt"),
        attempt.c.state,
        attempt.c.report,
        attempt.c.created_at,
        attempt.c.updated_at,
        submission.c.backend,
        submission.c.native_id,
        submission.c.site,
        descriptor.c.text,
    )
    .select_from(attempt)
    .join(job, job.c.id == attempt.c.job_id)
    .join(submission, submission.c.id == attempt.c.submission_id)
    .join(execution, execution.c.id == submission.c.execution_id)
    .join(descriptor, descriptor.c.sha256 == execution.c.descriptor_sha256)
    .outerjoin(launch, launch.c.execution_id == execution.c.id)
    .outerjoin(account, account.c.id == execution.c.owner)
    .order_by(attempt.c.id)
)


def of_backend(connection: Connection, backend: str, native_id: str) -> Iterator[Trace]:
    """Yield the attempts of a job of a back-end."""
    query = _QUERY.where(submission.c.native_id == native_id, submission.c.backend == backend)
    return map(_from_row, connection.execute(query))


def of_host(connection: Connection, host: str, at: float) -> Iterator[Trace]:
    """Yield the attempts that ran on a host at some time, as their reports say."""
    named = attempt.c.report.contains(json.dumps(host)[1:-1], autoescape=True)
    query = _QUERY.where(attempt.c.created_at <= at + CLOCKS_S, attempt.c.updated_at >= at - CLOCKS_S, named)
    for row in connection.execute(query):
        found = _from_row(row)
        name = str(found.report.get("host", {}).get("name", ""))
        if (
            host in (name, name.partition(".")[0])
            and found.started - CLOCKS_S <= at <= found.ended + CLOCKS_S
        ):
            yield found


def _from_row(row: Any) -> Trace:
    report = json.loads(row.report) if row.report else {}
    unknown = {name: "" for name, value in row._mapping.items() if value is None}
    made = {
        "report": report,
        "descriptor": json.loads(row.text),
        "started": float(report.get("started") or row.created_at),
        "ended": float(report.get("ended") or row.updated_at),
    }
    return from_row(Trace, row, **(unknown | made))
