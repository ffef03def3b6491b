"""What is known of the sites of a grid: shared by all executions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.retry import Failure
from engine.domain.site import RESTS, blames, rest_of
from engine.ids import JobId, SubmissionId
from engine.store.schema import attempt, site, submission
from engine.store.statements import insert_new, slices


@dataclass(frozen=True, slots=True)
class Site:
    """A site, as attempts found it."""

    backend: str
    name: str
    succeeded: int = 0
    failed: int = 0
    """Attempts that ended with a failure that may be the site's fault."""
    in_a_row: int = 0
    """Such failures since the last success."""
    rest_until: float = 0.0
    failure: str = ""
    """The class of the last one."""
    message: str = ""
    """What the last one said."""
    runtimes: Mapping[str, int] = field(default_factory=dict)
    """Container runtimes that worked there, and how often."""
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an attempt."""

    submission_id: SubmissionId
    failure: str
    """"" when it succeeded."""
    message: str = ""
    runtime: str = ""


def place(connection: Connection, sites: Mapping[SubmissionId, str]) -> None:
    """Note where submissions are."""
    if sites:
        connection.execute(
            sa.update(submission)
            .where(submission.c.id == sa.bindparam("b_id"))
            .values(site=sa.bindparam("b_s")),
            [{"b_id": id_, "b_s": name} for id_, name in sites.items()],
        )


def note(connection: Connection, ended: Sequence[Ended], *, now: float) -> None:
    """Learn from attempts that ended. Those that ran on no site are passed over."""
    by_id = {}
    for some in slices(e.submission_id for e in ended):
        query = sa.select(submission.c.id, submission.c.backend, submission.c.site).where(
            submission.c.id.in_(some), submission.c.site != ""
        )
        by_id.update({row.id: (row.backend, row.site) for row in connection.execute(query)})
    for end in ended:
        if end.submission_id in by_id and (not end.failure or blames(end.failure)):
            backend, name = by_id[end.submission_id]
            _write(connection, _learned(_get(connection, backend, name), end, now))


def known(connection: Connection, backend: str = "") -> list[Site]:
    """Every site of a back-end, or of all, by name."""
    query = sa.select(site).order_by(site.c.backend, site.c.name)
    if backend:
        query = query.where(site.c.backend == backend)
    return [_from_row(row) for row in connection.execute(query)]


def failed_at(connection: Connection, job_ids: Sequence[JobId]) -> dict[JobId, set[str]]:
    """Where attempts of these jobs failed, perhaps by the site's fault."""
    found: dict[JobId, set[str]] = {}
    for some in slices(job_ids):
        query = (
            sa.select(attempt.c.job_id, submission.c.site)
            .join(submission, submission.c.id == attempt.c.submission_id)
            .where(attempt.c.job_id.in_(some), attempt.c.failure.in_(list(RESTS)), submission.c.site != "")
        )
        for row in connection.execute(query):
            found.setdefault(row.job_id, set()).add(row.site)
    return found


def _learned(old: Site, end: Ended, now: float) -> Site:
    runtimes = dict(old.runtimes)
    if end.runtime and not end.failure:
        runtimes[end.runtime] = runtimes.get(end.runtime, 0) + 1
    good = not end.failure
    in_a_row = 0 if good else old.in_a_row + 1
    rest = 0.0 if good else rest_of(Failure(end.failure), in_a_row)
    return Site(
        old.backend,
        old.name,
        old.succeeded + good,
        old.failed + (not good),
        in_a_row,
        0.0 if good else max(old.rest_until, now + rest if rest else 0.0),
        old.failure if good else end.failure,
        old.message if good else end.message[:500],
        runtimes,
        now,
    )


def _get(connection: Connection, backend: str, name: str) -> Site:
    query = sa.select(site).where(site.c.backend == backend, site.c.name == name)
    row = connection.execute(query).first()
    return Site(backend, name) if row is None else _from_row(row)


def _write(connection: Connection, new: Site) -> None:
    values = {
        "succeeded": new.succeeded,
        "failed": new.failed,
        "in_a_row": new.in_a_row,
        "rest_until": new.rest_until,
        "failure": new.failure,
        "message": new.message,
        "runtimes": json.dumps(new.runtimes, sort_keys=True),
        "seen_at": new.seen_at,
    }
    if not insert_new(connection, site, {"backend": new.backend, "name": new.name, **values}):
        mine = (site.c.backend == new.backend, site.c.name == new.name)
        connection.execute(sa.update(site).where(*mine).values(values))


def _from_row(row: sa.Row[tuple[object, ...]]) -> Site:
    values = row._asdict()
    return Site(**{**values, "runtimes": json.loads(values["runtimes"])})
