"""Provenance records read back: what attempts did that the database does not know, since it is older.

An engine writes a record once it has read the report of an attempt, before the commit that tells the
database. What came after a backup that was restored is found there: no job is computed again for it. Records
are only believed as far as the results that they name have the bytes that they say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from engine.domain import naming
from engine.domain.attempt import AttemptEvent
from engine.domain.options import SANDBOX, Destination
from engine.domain.product import ProductState
from engine.domain.retry import Failure
from engine.errors import BadRequest, CredentialExpired, Unavailable
from engine.ids import AttemptId, job_name
from engine.ports import Storage
from engine.reconcile import layout
from engine.reconcile.commit import wanted_copies
from engine.reconcile.context import TickContext, log
from engine.reconcile.names import taken
from engine.reconcile.reports import plausible, storable
from engine.reconcile.verify import has_content
from engine.store import attempts
from engine.store.attempts import Attempt
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.lifecycle import EventNotice
from engine.store.products import Product
from wrappers import wire
from wrappers.wire import Report

_NAME = re.compile(r"([1-9]\d{0,8})\.([1-9]\d{0,5})\.json")
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = 16 << 20

Unexplained = Mapping[int, int]
"""Job number -> the newest attempt of it that has a record and is not over for the database."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of one attempt, as far as it was understood."""

    attempt: AttemptId
    ordinal: int
    report: Report
    results: Sequence[RecordedResult]


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """A result as a record names it."""

    output_id: str
    name: str
    url: str
    size: int
    sha256: str
    path: str
    """As the tool wrote it; empty in records of older engines."""


class ResultDiffers(Exception):
    """A result is not what its record says."""


def unexplained(context: TickContext, execution: Execution) -> Unexplained:
    """Find the records that tell more of an execution than the database does. Looked for once in the time of
    a lease: nobody else writes records meanwhile. A storage that does not answer is not waited for again.
    """
    found = context.found
    if execution.id not in found.records:
        server = urlsplit(execution.results).netloc
        found.records[execution.id] = {}
        if server in found.silent:
            return {}
        try:
            known = look(context.db, context.storage, execution)
        except (Unavailable, CredentialExpired) as error:
            found.silent.add(server)
            log.warning("records on %s cannot be looked through: %s", server or "this machine", error)
        else:
            found.records[execution.id] = known
            if known:
                log.warning(
                    "the database is older than the results of execution %s: records of %d jobs tell more; "
                    "what they tell is verified and taken over",
                    execution.id,
                    len(known),
                )
    return found.records[execution.id]


def look(db: Database, storage: Callable[[str], Storage], execution: Execution) -> dict[int, int]:
    """List the jobs of which records tell more than the database, with the newest attempt that has one.

    Raises:
        Unavailable, CredentialExpired: their storage does not answer now.
    """
    url = layout.records_url(execution)
    newest: dict[int, int] = {}
    try:
        names = storage(url).list(url)
    except BadRequest:  # a storage that lists nothing
        return {}
    for name in names:
        if found := _NAME.fullmatch(name):
            number, ordinal = int(found[1]), int(found[2])
            newest[number] = max(ordinal, newest.get(number, 0))
    with db.read() as connection:
        known = attempts.explained(connection, execution.id, list(newest))
    return {number: ordinal for number, ordinal in newest.items() if ordinal > known.get(number, ordinal)}


def read(context: TickContext, execution: Execution, number: int, ordinal: int) -> Record | None:
    """Read a record; None when there is none of this attempt that can be understood.

    Raises:
        Unavailable, CredentialExpired: the storage does not answer now.
    """
    url = layout.record_url(execution, number, ordinal)
    try:
        data = context.storage(url).read(url, 0, _LARGEST)
        if not data:
            return None
        found = json.loads(data)
        record = _parse(found)
        of = found["additional-information"]
        ours = (of["execution"], of["job"]) == (execution.id, job_name(execution.id, number))
        if ours and record.ordinal == ordinal and _is_storable(record):
            return record
    except (
        *(BadRequest, wire.WireError, OverflowError),
        *(ValueError, TypeError, KeyError, AttributeError, RecursionError),
    ) as error:
        log.warning("%s is no record that can be read: %s", url, storable(str(error)))
    return None


def end_of(
    context: TickContext, execution: Execution, job: Job, attempt: Attempt
) -> tuple[EventNotice, list[Product]] | None:
    """Take the end of an attempt from its record, in place of its report; None when it has none.

    Raises:
        Unavailable, CredentialExpired: a storage does not answer now.
    """
    record = read(context, execution, job.number, attempt.ordinal)
    if record is None or record.attempt != attempt.id:
        return None
    report, made = record.report, list[Product]()
    if attempt.manifest_sha256 not in ("", report.manifest_sha256):
        return None
    failure, message = report.failure, storable(report.message)
    if not failure:
        try:
            with taken(context, execution, job, [result.name for result in record.results]):
                made = verified(context, execution, job, record)
        except ResultDiffers as error:
            failure = Failure.OUTPUT
            message = f"{error}; move what is there away, then engine retry computes it again"
        except BadRequest as error:
            failure, message = Failure.OUTPUT, str(error)
    event = AttemptEvent.REPORT_FAILED if failure else AttemptEvent.REPORT_SUCCEEDED
    once = {p.name: p for p in reversed(made)}
    notice = EventNotice(attempt, event, message, failure, wire.dumps(report))
    return notice, list(once.values())


def verified(context: TickContext, execution: Execution, job: Job, record: Record) -> list[Product]:
    """Return the results that a record names, as they are.

    Raises:
        ResultDiffers: one is not there, has other bytes, or is not where this attempt could have brought it.
        Unavailable, CredentialExpired: a storage does not answer now.
    """
    made = []
    for result in record.results:
        origin, packed = _origin(execution, job, record.attempt, result)
        storage = context.storage(result.url)
        found = storage.stat(result.url)
        if found is None:
            raise ResultDiffers(f"{result.url} is not there, where its record says that it was delivered")
        if not has_content(storage, result.url, result.size, result.sha256):
            raise ResultDiffers(f"{result.url} has other bytes than its record says")
        made.append(
            Product(
                execution_id=execution.id,
                job_id=job.id,
                attempt_id=record.attempt,
                output_id=result.output_id,
                name=result.name,
                url=result.url,
                size=result.size,
                sha256=result.sha256,
                directory=found.directory or packed,
                packed=packed,
                path=result.path,
                state=ProductState.UNREGISTERED if execution.options.registered else ProductState.AVAILABLE,
                copies=wanted_copies(execution, origin, result.name, packed=packed),
            )
        )
    return made


def _origin(
    execution: Execution, job: Job, attempt: AttemptId, result: RecordedResult
) -> tuple[Destination, bool]:
    """Find the destination that holds a result, and whether it is kept there as a tar.

    Raises:
        ResultDiffers: nothing of this attempt can be called so, or lie there.
    """
    for destination in layout.destinations(execution):
        if destination.url == SANDBOX:
            continue
        plain = layout.output_url(destination, result.name)
        own = layout.attempt_url(destination, job.number, attempt) + "/"
        if destination.rename and result.url in (plain, plain + layout.PACKED):
            return destination, result.url != plain
        if not destination.rename and result.url.startswith(own) and "/../" not in result.url:
            packed = result.url.endswith(layout.PACKED) and not result.name.endswith(layout.PACKED)
            return destination, packed
    raise ResultDiffers(f"{storable(result.url)} is no place for a result of this attempt")


def _parse(data: Mapping[str, Any]) -> Record:
    output, more = data["public-output"], data["additional-information"]
    results = [
        RecordedResult(
            output_id=storable(id_),
            name=storable(one["file-name"]),
            url=one["url"],
            size=int(one["size"]),
            sha256=str(one["sha256"]),
            path=storable(one.get("path", "")),
        )
        for id_, files in output["output-files"].items()
        for one in files
    ]
    failure = str(output["failure"])
    report = wire.loads(
        Report,
        json.dumps(
            {
                "attempt": more["attempt"],
                "manifest_sha256": more["manifest-sha256"],
                "outcome": wire.FAILED if failure else wire.SUCCEEDED,
                "failure": failure,
                "message": output["error-message"],
                "exit_code": output["exit-code"],
                "signal": output["signal"],
                "started": _seconds(more["started"]),
                "ended": _seconds(more["ended"]),
                "phases": [{**phase, "start": _seconds(phase["start"])} for phase in more["phases"]],
                "missing": output["missing-files"],
                "runtime": more["runtime"],
                "host": more["host"],
                "cpu_seconds": more["cpu-seconds"],
                "peak_memory": more["peak-memory"],
                "wrapper_sha256": more["wrapper-sha256"],
            }
        ),
    )
    return Record(AttemptId(report.attempt), int(more["try"]), report, results)


def _is_storable(record: Record) -> bool:
    """Say whether a database can hold what a record says."""
    return (
        _ID.fullmatch(record.attempt) is not None
        and _SHA256.fullmatch(record.report.manifest_sha256) is not None
        and record.report.failure in ("", *wire.FAILURES)
        and plausible(record.report)
        and all(0 < len(one.output_id) < 256 and not naming.name_problem(one.name) for one in record.results)
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
