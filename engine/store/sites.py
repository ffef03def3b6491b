"""What is known of the sites of a grid: shared by all executions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.site import (
    CLASSES_TO_AVOID_SITE,
    SiteOutcome,
    SiteRest,
    avoids_site_after,
    outcome,
    remember,
    rest,
)
from engine.ids import JobId, SubmissionId
from engine.store.rows import from_row, to_row
from engine.store.schema import attempt, execution, site, submission
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
    """Such failures since the last success: only shown; `engine.domain.site.rest` does not look at it."""
    rest_until: float = 0.0
    failure: str = ""
    """The class of the last one."""
    message: str = ""
    """What the last one said."""
    runtimes: Mapping[str, int] = field(default_factory=dict)
    """Container runtimes that worked there, and how often."""
    seen_at: float = 0.0
    rests: int = 0
    """Rests one after the other, without a recovery between them."""
    recent: Sequence[SiteOutcome] = ()
    """The last ends of attempts there, oldest first."""


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The end of an attempt."""

    submission_id: SubmissionId
    failure: str
    """"" when it succeeded."""
    cause: str = ""
    """What its report says (`wrappers.causes`)."""
    message: str = ""
    runtime: str = ""


def set_sites(connection: Connection, sites: Mapping[SubmissionId, str]) -> None:
    """Write where submissions are."""
    if sites:
        connection.execute(
            sa.update(submission)
            .where(submission.c.id == sa.bindparam("b_id"))
            .values(site=sa.bindparam("b_s")),
            [{"b_id": id_, "b_s": name} for id_, name in sites.items()],
        )


def add_outcomes(connection: Connection, ended: Sequence[AttemptEnd], *, now: float) -> None:
    """Add how attempts ended to what is known of their sites. Those that ran on no site are passed over."""
    by_id = {}
    for some in slices(e.submission_id for e in ended):
        query = (
            sa.select(
                submission.c.id,
                submission.c.backend,
                submission.c.site,
                execution.c.owner,
                execution.c.options,
            )
            .join(execution, execution.c.id == submission.c.execution_id)
            .where(submission.c.id.in_(some), submission.c.site != "")
        )
        by_id.update({row.id: row for row in connection.execute(query)})
    sites = {
        backend: {one.name: one for one in known(connection, backend)}
        for backend in {row.backend for row in by_id.values()}
    }
    changed = {}
    for end in ended:
        if (row := by_id.get(end.submission_id)) is None:
            continue
        there = sites[row.backend]
        others = [one for name, other in there.items() if name != row.site for one in other.recent]
        old = there.get(row.site) or Site(row.backend, row.site)
        end_outcome = outcome(now, row.owner, _image(row.options), end.cause, end.failure)
        new = _judged(_counted(old, end, now), end_outcome, others)
        if new != old:
            there[row.site] = changed[row.backend, row.site] = new
    for new in changed.values():
        _write(connection, new)


def known(connection: Connection, backend: str = "") -> list[Site]:
    """Every site of a back-end, or of all, by name."""
    query = sa.select(site).order_by(site.c.backend, site.c.name)
    if backend:
        query = query.where(site.c.backend == backend)
    return [_from_row(row) for row in connection.execute(query)]


def failed_at(connection: Connection, job_ids: Sequence[JobId]) -> dict[JobId, set[str]]:
    """Return where attempts of these jobs failed, perhaps by the site's fault."""
    found: dict[JobId, set[str]] = {}
    for some in slices(job_ids):
        query = (
            sa.select(attempt.c.job_id, submission.c.site)
            .join(submission, submission.c.id == attempt.c.submission_id)
            .where(
                attempt.c.job_id.in_(some),
                attempt.c.failure.in_(sorted(CLASSES_TO_AVOID_SITE)),
                submission.c.site != "",
            )
        )
        for row in connection.execute(query):
            found.setdefault(row.job_id, set()).add(row.site)
    return found


def _counted(old: Site, end: AttemptEnd, now: float) -> Site:
    """Add an attempt to what `engine sites` shows."""
    if end.failure and not avoids_site_after(end.failure):
        return old
    if end.failure:
        return replace(
            old,
            failed=old.failed + 1,
            in_a_row=old.in_a_row + 1,
            failure=end.failure,
            message=end.message[:500],
            seen_at=now,
        )
    runtimes = dict(old.runtimes)
    if end.runtime:
        runtimes[end.runtime] = runtimes.get(end.runtime, 0) + 1
    return replace(old, succeeded=old.succeeded + 1, in_a_row=0, runtimes=runtimes, seen_at=now)


def _judged(old: Site, outcome_: SiteOutcome | None, others: Sequence[SiteOutcome]) -> Site:
    """Decide whether the site rests, from what the end of an attempt tells of it."""
    if outcome_ is None:
        return old
    recent = remember(old.recent, outcome_)
    decided = rest(SiteRest(old.rest_until, old.rests), recent, others)
    return replace(old, rest_until=decided.until, rests=decided.times, recent=recent)


def _image(options: str) -> str:
    """Return the image of an execution, by whatever pins it."""
    found = json.loads(options).get("image") or {}
    return str(found.get("digest") or found.get("reference") or "")


def _write(connection: Connection, new: Site) -> None:
    values = to_row(
        site,
        new,
        runtimes=json.dumps(new.runtimes, sort_keys=True),
        recent=json.dumps([[one.at, one.user, one.image, one.cause] for one in new.recent]),
    )
    if not insert_new(connection, site, values):
        mine = (site.c.backend == new.backend, site.c.name == new.name)
        connection.execute(sa.update(site).where(*mine).values(values))


def _from_row(row: sa.Row[tuple[object, ...]]) -> Site:
    recent = [SiteOutcome(*one) for one in json.loads(row.recent)]
    return from_row(Site, row, runtimes=json.loads(row.runtimes), recent=recent)
