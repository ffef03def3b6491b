"""What attempts have taken: counted from their rows, and kept as sums when these are purged."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptState
from engine.domain.job import JobState
from engine.domain.options import Options
from engine.domain.usage import SUCCEEDED, Slot, UsageTotals, of_attempt
from engine.ids import ExecutionId
from engine.store.rows import from_row, to_row
from engine.store.schema import account, attempt, execution, job, launch, product, submission, usage
from wrappers import wire

_PAGE = 2000
_FINAL_ATTEMPTS = [state for state in AttemptState if state.is_final]
_FINAL_JOBS = [state for state in JobState if state.is_final]


def counted(
    connection: Connection, execution_id: ExecutionId | None = None
) -> Iterator[tuple[Slot, UsageTotals]]:
    """Give what each ended attempt took: of one execution, or of all that are not purged."""
    sizes = sa.select(sa.func.coalesce(sa.func.sum(product.c.size), 0)).where(
        product.c.job_id == attempt.c.job_id,  # which has an index
        product.c.attempt_id == attempt.c.id,
    )
    query = (
        sa.select(
            attempt.c.id,
            attempt.c.updated_at,
            attempt.c.failure,
            attempt.c.report,
            (job.c.state.in_(_FINAL_JOBS) & (attempt.c.ordinal == job.c.attempts)).label("last"),
            submission.c.site,
            submission.c.backend,
            execution.c.owner,
            execution.c.name,
            execution.c.options,
            launch.c.account_id,
            launch.c.pipeline,
            account.c.name.label("user"),
            sizes.scalar_subquery().label("size"),
        )
        .join(job, job.c.id == attempt.c.job_id)
        .join(submission, submission.c.id == attempt.c.submission_id)
        .join(execution, execution.c.id == submission.c.execution_id)
        .outerjoin(launch, launch.c.execution_id == execution.c.id)
        .outerjoin(account, account.c.id == launch.c.account_id)
        .where(attempt.c.state.in_(_FINAL_ATTEMPTS))
        .order_by(attempt.c.id)
        .limit(_PAGE)
    )
    if execution_id is not None:
        query = query.where(execution.c.id == execution_id)
    after, known = "", dict[str, Options]()
    while page := connection.execute(query.where(attempt.c.id > after)).all():
        after = page[-1].id
        for row in page:
            options = known.get(row.options)
            if options is None:
                options = known[row.options] = wire.loads(Options, row.options)
            yield (
                _slot(row),
                of_attempt(
                    json.loads(row.report) if row.report else None,
                    failed=bool(row.failure),
                    last=bool(row.last),
                    cores=options.limits.cores,
                    gpu=options.gpu,
                    size=int(row.size),
                ),
            )


def purged(connection: Connection) -> Iterator[tuple[Slot, UsageTotals]]:
    """Give the sums of what was purged."""
    for row in connection.execute(sa.select(usage)):
        yield (
            Slot(row.month, row.account_id, row.user, row.pipeline, row.site, row.outcome),
            from_row(UsageTotals, row),
        )


def add_purged(connection: Connection, execution_id: ExecutionId) -> None:
    """Add what an execution took to the sums that stay, before its rows go."""
    sums: dict[Slot, UsageTotals] = {}
    for slot, each in counted(connection, execution_id):
        sums[slot] = sums.get(slot, UsageTotals()) + each
    for slot, each in sums.items():
        where = sa.and_(*(usage.c[name] == value for name, value in zip(_KEY, slot, strict=True)))
        query = sa.select(usage).where(where).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            values = to_row(usage, each, **dict(zip(_KEY, slot, strict=True)))
            connection.execute(sa.insert(usage).values(values))
        else:
            total = to_row(usage, from_row(UsageTotals, row) + each)
            connection.execute(sa.update(usage).where(where).values(total))


_KEY = ("month", "account_id", "user", "pipeline", "site", "outcome")


def _slot(row: sa.Row[tuple[object, ...]]) -> Slot:
    return Slot(
        month=time.strftime("%Y-%m", time.gmtime(row.updated_at)),
        account=row.account_id or "",
        user=row.user or row.owner,
        pipeline=row.pipeline or row.name,
        site=row.site or row.backend,
        outcome=row.failure or SUCCEEDED,
    )
