"""Bringing the reports of finished submissions home. Only a verified report ends a job."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from engine.domain.attempt import AttemptEvent, AttemptState, Effect
from engine.domain.execution import Intent
from engine.domain.options import SANDBOX
from engine.domain.retry import Failure
from engine.errors import BadRequest, CredentialExpired, Unavailable
from engine.reconcile import delivery_retry, layout, second_report
from engine.reconcile.commit import commit
from engine.reconcile.context import TickContext, log
from engine.reconcile.delivery_retry import Trouble
from engine.reconcile.finish import finish_jobs
from engine.reconcile.provenance import record
from engine.reconcile.reports import InvalidReport, storable
from engine.store import attempts, executions, jobs, lifecycle, needs, outbox, products, replicas
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.lifecycle import EventNotice
from engine.store.needs import Need
from engine.store.outbox import Due
from engine.store.products import Product
from wrappers import wire
from wrappers.wire import Report

RETRY_INTERVAL_S = 30.0
"""Seconds after which a collection that failed half-way is repeated; longer each time."""
BATCH = 200
AT_A_TIME = 8
"""Attempts whose results are committed at a time where they are not on this machine."""


@dataclass(slots=True)
class AttemptVerdict:
    """The outcome of one attempt, ready to be written."""

    notice: EventNotice
    products: list[Product] = field(default_factory=list)


def collect_due(context: TickContext) -> bool:
    """Read reports, put results in their place, and write what became of each attempt."""
    now = context.clock.now()
    with context.db.read() as connection:
        due = outbox.due(connection, Effect.COLLECT, context.backend.name, now=now, limit=BATCH)
        if not due:
            return False
        held = attempts.of_submissions(connection, [d.submission_id for d in due])
        of = {id_: executions.get(connection, id_) for id_ in {d.execution_id for d in due}}
        found = jobs.by_ids(connection, {a.job_id for group in held.values() for a in group})
    with context.write() as connection:
        outbox.claim(connection, Effect.COLLECT, due, again_at=now + RETRY_INTERVAL_S)
    with tempfile.TemporaryDirectory(dir=context.workspace, prefix="collect-") as directory:

        def judge(item: Due) -> list[AttemptVerdict] | Trouble:
            execution = of[item.execution_id]
            ended = [a for a in held[item.submission_id] if a.state == AttemptState.FINALISING]
            try:
                return [_judge(context, execution, found[a.job_id], a, Path(directory)) for a in ended]
            except (Unavailable, CredentialExpired) as error:
                return error

        _retrieve(context, due, Path(directory))
        at_home = not any(of[item.execution_id].options.places for item in due)
        answers = [judge(item) for item in due] if at_home else _in_parallel(judge, due)
    pairs = list(zip(due, answers, strict=True))
    postponed = {item: answer for item, answer in pairs if not isinstance(answer, list)}
    over = [item for item in due if item not in postponed]
    verdicts = [verdict for answer in answers if isinstance(answer, list) for verdict in answer]
    context.flush()
    now = context.clock.now()
    with context.write() as connection:
        made = [p for v in verdicts for p in v.products]
        products.add(connection, made)
        replicas.request(connection, made)
        ended = lifecycle.apply_events(connection, [v.notice for v in verdicts], now=now)
        outbox.done(connection, Effect.COLLECT, [item.submission_id for item in over])
        delivery_retry.note(connection, over, postponed, held, again=RETRY_INTERVAL_S, now=now)
        finish_jobs(connection, ended, now=now)
    return True


def _in_parallel(
    judge: Callable[[Due], list[AttemptVerdict] | Trouble], due: Sequence[Due]
) -> list[list[AttemptVerdict] | Trouble]:
    """Several at a time: a storage far away answers late, but many at once."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(judge, due))


def _retrieve(context: TickContext, due: Sequence[Due], into: Path) -> None:
    """Bring the small files of submissions, several at a time where the back-end is far away."""

    def retrieve(item: Due) -> None:
        context.backend.retrieve(item.native_id or "", into)

    at_once = context.backend.capabilities.retrievals
    if at_once == 1:
        for item in due:
            retrieve(item)
        return
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(retrieve, due))


def _judge(
    context: TickContext, execution: Execution, job: Job, attempt: Attempt, into: Path
) -> AttemptVerdict:
    store_logs(context, execution, job, attempt, into)
    try:
        report, text = second_report.read(context, execution, job, attempt, into)
    except InvalidReport as error:
        return AttemptVerdict(
            EventNotice(attempt, AttemptEvent.REPORT_ABSENT, storable(str(error)), Failure.LOST)
        )
    committed: list[Product] = []
    failure, message = _failure(report), _message(context, execution, report)
    if not failure and (why := context.full(execution, sum(made.size for made in report.products))):
        failure, message = Failure.OUTPUT, f"the quota is used up: {why}; the results are not kept"
        drop(context, execution, job, attempt)
    if not failure:
        try:
            committed = commit(context, execution, job, attempt, report, into)
        except BadRequest as error:
            failure, message = Failure.OUTPUT, str(error)
        except (Unavailable, CredentialExpired) as error:
            waited = context.clock.now() - attempt.updated_at
            if waited < context.delivery_timeout and execution.intent != Intent.CANCEL:
                raise
            message = delivery_retry.gave_up_message(error, waited)
            return AttemptVerdict(
                EventNotice(attempt, AttemptEvent.STORAGE_GONE, message, Failure.STRANDED, text)
            )
    store_record(context, execution, job, attempt, report, committed, failure, message)
    event = AttemptEvent.REPORT_FAILED if failure else AttemptEvent.REPORT_SUCCEEDED
    once = {p.name: p for p in reversed(committed)}  # of several outputs that match a file, the first
    return AttemptVerdict(EventNotice(attempt, event, message, failure, text), list(once.values()))


def drop(context: TickContext, execution: Execution, job: Job, attempt: Attempt) -> None:
    """Remove what an attempt wrote now, not only when its execution has ended."""
    for destination in layout.destinations(execution):
        if destination.url != SANDBOX:
            url = layout.attempt_url(destination, job.number, attempt.id)
            context.storage(url).delete(url)


def _failure(report: Report) -> str:
    """Return the class of a failure; "" when there is none."""
    if report.outcome == wire.SUCCEEDED and not report.failure:
        return ""
    return report.failure if report.failure in wire.FAILURES else Failure.ENGINE


def _message(context: TickContext, execution: Execution, report: Report) -> str:
    """Write the message of an attempt for a person."""
    message = storable(report.message)
    if report.failure == Failure.TOOL and report.exit_code:
        meaning = context.describe(execution).error_codes.get(report.exit_code)
        if meaning:
            message = f"{meaning} ({message})" if message else meaning
    if report.kept:
        message += f"; what the tool wrote is kept in {storable(report.kept)} on {storable(_host(report))}"
    return message


def _host(report: Report) -> str:
    return report.host.get("name") or "an unnamed host"


def store_logs(context: TickContext, execution: Execution, job: Job, attempt: Attempt, into: Path) -> None:
    """Put what the tool printed beside the results, and tracebacks of ours; empty logs are not kept."""
    for stream in ("out", "err", "debug"):
        path = into / f"{attempt.id}.{stream}"
        if path.exists() and path.stat().st_size:
            url = layout.log_url(execution, job.number, attempt.ordinal, stream)
            context.storage(url).send(path, url)


def store_record(
    context: TickContext,
    execution: Execution,
    job: Job,
    attempt: Attempt,
    report: Report,
    committed: Sequence[Product],
    failure: str,
    message: str,
) -> None:
    """Write the provenance record of an attempt beside the results."""
    url = layout.record_url(execution, job.number, attempt.ordinal)
    try:
        manifest = context.manifest(execution, job, attempt.id)
    except BadRequest as error:  # it could be expanded by the engine that submitted it
        log.warning("attempt %s has no provenance record: %s", attempt.id, error)
        return
    needed: Sequence[Need] = ()
    if job.missing:
        with context.db.read() as connection:
            needed = needs.released_without(connection, job.id, limit=job.missing)
    data = record(
        execution,
        job,
        attempt,
        report,
        committed,
        tool=context.describe(execution),
        manifest=manifest,
        failure=failure,
        message=message,
        needed=needed,
    )
    context.storage(url).put(data, url)
    context.moved.append(url)


def salvage(context: TickContext, item: Due, held: Sequence[Attempt]) -> None:
    """Keep the logs of attempts that ended without a collection; trouble with that is only noted."""
    with context.db.read() as connection:
        execution = executions.get(connection, item.execution_id)
        found = jobs.by_ids(connection, {a.job_id for a in held})
    with tempfile.TemporaryDirectory(dir=context.workspace, prefix="salvage-") as directory:
        try:
            context.backend.retrieve(item.native_id or "", Path(directory))
        except OSError as error:
            log.warning("logs of submission %s cannot be kept: %s", item.submission_id, error)
            return
        for a in held:
            store_logs(context, execution, found[a.job_id], a, Path(directory))
