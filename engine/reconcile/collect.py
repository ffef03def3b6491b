"""Bringing the testimony of finished submissions home. Only a verified report ends a job."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.domain.attempt import AttemptState, Effect, News
from engine.domain.retry import Failure
from engine.errors import BadRequest, NotFound
from engine.ports import Stat
from engine.reconcile import layout
from engine.reconcile.place import Round, log
from engine.reconcile.provenance import record
from engine.reconcile.settle import settle
from engine.store import attempts, executions, jobs, outbox, products
from engine.store.attempts import Attempt, Word
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.outbox import Due
from engine.store.products import Product
from wrappers import wire
from wrappers.wire import Report

AGAIN = 30.0
"""Seconds after which a collection that failed half-way is repeated."""
BATCH = 200


@dataclass(slots=True)
class Verdict:
    """What became of one attempt, ready to be written."""

    word: Word
    products: list[Product] = field(default_factory=list)


def collect_due(round_: Round) -> bool:
    """Read reports, put results in their place, and write what became of each attempt."""
    now = round_.clock.now()
    with round_.db.read() as connection:
        due = outbox.due(connection, Effect.COLLECT, round_.backend.name, now=now, limit=BATCH)
        if not due:
            return False
        held = attempts.of_submissions(connection, [d.submission_id for d in due])
        of = {id_: executions.get(connection, id_) for id_ in {d.execution_id for d in due}}
        found = jobs.by_ids(connection, {a.job_id for group in held.values() for a in group})
    with round_.write() as connection:
        outbox.claim(connection, Effect.COLLECT, due, again_at=now + AGAIN)
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(dir=round_.workspace, prefix="collect-") as directory:
        for item in due:
            round_.backend.retrieve(item.native_id or "", Path(directory))
            waiting = [a for a in held[item.submission_id] if a.state == AttemptState.FINALISING]
            execution = of[item.execution_id]
            verdicts += [_judge(round_, execution, found[a.job_id], a, Path(directory)) for a in waiting]
    now = round_.clock.now()
    with round_.write() as connection:
        products.add(connection, [p for v in verdicts for p in v.products])
        ended = attempts.tell(connection, [v.word for v in verdicts], now=now)
        outbox.done(connection, Effect.COLLECT, [d.submission_id for d in due])
        settle(connection, ended, now=now)
    return True


def _judge(round_: Round, execution: Execution, job: Job, attempt: Attempt, into: Path) -> Verdict:
    text, problem = _read_report(into / f"{attempt.id}.report.json")
    keep_logs(round_, execution, job, attempt, into)
    if text is None:
        return Verdict(Word(attempt, News.REPORT_ABSENT, problem, Failure.LOST))
    report, problem = _verify(text, attempt)
    if report is None:
        return Verdict(Word(attempt, News.REPORT_ABSENT, problem, Failure.LOST))
    committed: list[Product] = []
    failure, message = report.failure, report.message
    if report.outcome == wire.SUCCEEDED:
        try:
            committed = _commit(round_, execution, job, attempt, report)
        except BadRequest as error:
            failure, message = Failure.OUTPUT, str(error)
    if failure == Failure.TOOL and report.exit_code:
        meaning = round_.describe(execution).error_codes.get(report.exit_code)
        message = f"{meaning} ({message})" if meaning else message
    succeeded = report.outcome == wire.SUCCEEDED and not failure
    keep_record(round_, execution, job, attempt, report, committed, failure, message)
    news = News.REPORT_SUCCEEDED if succeeded else News.REPORT_FAILED
    return Verdict(
        Word(attempt, news, message, "" if succeeded else failure or Failure.ENGINE, text), committed
    )


def _read_report(path: Path) -> tuple[str | None, str]:
    try:
        return path.read_text(), ""
    except FileNotFoundError:
        return None, "it ended without a report"
    except (OSError, UnicodeDecodeError) as error:
        return None, f"its report cannot be read: {error}"


def _verify(text: str, attempt: Attempt) -> tuple[Report | None, str]:
    """A report is believed when it is whole, of this attempt, and of the orders that were given."""
    try:
        report = wire.loads(Report, text)
    except wire.WireError as error:
        return None, f"its report is not one: {error}"
    if report.attempt != attempt.id:
        return None, f"its report is of attempt {report.attempt}"
    if report.manifest_sha256 != attempt.manifest_sha256:
        return None, "its report is of other orders than those that were given"
    return report, ""


def _commit(round_: Round, execution: Execution, job: Job, attempt: Attempt, report: Report) -> list[Product]:
    """Move verified results from the attempt's own directory to their final names.

    Idempotent: after a crash, what was already moved is found in its place.

    Raises:
        BadRequest: a result is not what the report says, or its name is taken.
    """
    names = [layout.product_name(execution, job.number, made.path) for made in report.products]
    _refuse_taken_names(round_, execution, job, names)
    _move_together(round_, execution, attempt, report, names)
    committed = []
    for name, made in zip(names, report.products, strict=True):
        url = layout.output_url(execution, name)
        _place(round_, made, url)
        committed.append(
            Product(
                execution_id=execution.id,
                job_id=job.id,
                attempt_id=attempt.id,
                output_id=made.id,
                name=name,
                url=url,
                size=made.size,
                sha256=made.sha256,
                directory=made.directory,
            )
        )
    return committed


def _move_together(
    round_: Round, execution: Execution, attempt: Attempt, report: Report, names: Sequence[str]
) -> None:
    """Where all names are one new directory and the tool's own paths, one rename commits them all."""
    directories = {
        name.removesuffix(f"/{made.path}") for name, made in zip(names, report.products, strict=True)
    }
    if len(directories) != 1 or not all(
        name.endswith(f"/{m.path}") for name, m in zip(names, report.products, strict=True)
    ):
        return
    source = layout.attempt_url(execution, attempt.id)
    target = layout.output_url(execution, directories.pop())
    storage = round_.storage(target)
    sizes_good = all(
        (there := storage.stat(m.url)) is not None and (m.directory or there.size == m.size)
        for m in report.products
    )
    if sizes_good and storage.stat(target) is None:
        storage.move(source, target)


def _place(round_: Round, made: wire.Product, url: str) -> None:
    """Bring one result to its final URL, where it may be already: moved before a crash, or by the engine
    that held the lease before us and does not know yet that it lost it.
    """
    storage = round_.storage(url)
    there = storage.stat(made.url)
    if there is not None:
        _check_size(made, there)
        try:
            storage.move(made.url, url)
        except BadRequest:
            if storage.stat(made.url) is not None:
                raise
        else:
            return
    placed = storage.stat(url)
    if placed is None:
        raise NotFound(f"result {made.path} is not at {made.url}, where the report says it was delivered")
    _check_size(made, placed)


def _check_size(made: wire.Product, found: Stat) -> None:
    if not made.directory and found.size != made.size:
        raise BadRequest(f"result {made.path} has {found.size} bytes where the report says {made.size}")


def _refuse_taken_names(round_: Round, execution: Execution, job: Job, names: Sequence[str]) -> None:
    with round_.db.read() as connection:
        taken = products.taken(connection, execution.id, names)
    others = sorted(name for name, owner in taken.items() if owner != job.id)
    if others or len(set(names)) < len(names):
        raise BadRequest(f"result {(others or names)[0]} exists already: two jobs write the same name")


def keep_logs(round_: Round, execution: Execution, job: Job, attempt: Attempt, into: Path) -> None:
    """Put what the tool printed beside the results; empty logs are not kept."""
    for stream in ("out", "err"):
        path = into / f"{attempt.id}.{stream}"
        if path.exists() and path.stat().st_size:
            url = layout.log_url(execution, job.number, attempt.ordinal, stream)
            round_.storage(url).send(path, url)


def keep_record(
    round_: Round,
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
    data = record(
        execution,
        job,
        attempt,
        report,
        committed,
        tool=round_.describe(execution),
        manifest=round_.manifest(execution, job, attempt.id),
        failure=failure,
        message=message,
    )
    round_.storage(url).put(data, url)


def salvage(round_: Round, item: Due, held: Sequence[Attempt]) -> None:
    """Keep the logs of attempts that ended without a collection; trouble with that is only noted."""
    with round_.db.read() as connection:
        execution = executions.get(connection, item.execution_id)
        found = jobs.by_ids(connection, {a.job_id for a in held})
    with tempfile.TemporaryDirectory(dir=round_.workspace, prefix="salvage-") as directory:
        try:
            round_.backend.retrieve(item.native_id or "", Path(directory))
        except OSError as error:
            log.warning("logs of submission %s cannot be kept: %s", item.submission_id, error)
            return
        for a in held:
            keep_logs(round_, execution, found[a.job_id], a, Path(directory))
