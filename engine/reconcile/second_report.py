"""The copy of a report that wrappers on a grid leave beside the results: output sandboxes get lost."""

from __future__ import annotations

from pathlib import Path

from engine.domain.options import SANDBOX
from engine.errors import BadRequest, CredentialExpired, Unavailable
from engine.reconcile import layout, reports
from engine.reconcile.context import TickContext, log
from engine.reconcile.reports import InvalidReport
from engine.store import attempts
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job
from wrappers.wire import Report

LONGEST_WAIT_S = 3600.0
"""Seconds for which a storage that does not answer is waited for: without a report, all is done once more."""
LARGEST = 16 << 20


def read(
    context: TickContext, execution: Execution, job: Job, attempt: Attempt, into: Path
) -> tuple[Report, str]:
    """Read the report that the back-end brought home or, when that is not there or is not valid, its copy.

    Raises:
        InvalidReport: neither will do.
        Unavailable, CredentialExpired: where the copy may be does not answer now.
    """
    name = f"{attempt.id}.report.json"
    try:
        return reports.read(into / name, attempt)
    except InvalidReport as error:
        trouble = error
    with context.db.read() as connection:
        known = attempts.report_text(connection, attempt.id)  # of results that are taken up again
    if known:
        (into / name).write_text(known, encoding="utf-8")
        return reports.read(into / name, attempt)
    if not context.backend.capabilities.second_reports:
        raise trouble
    for destination in layout.destinations(execution):
        if destination.url == SANDBOX:
            continue
        url = layout.second_report_url(destination, job.number, attempt.id)
        try:
            data = context.storage(url).read(url, 0, LARGEST)
        except (Unavailable, CredentialExpired, BadRequest) as error:
            waited = context.clock.now() - attempt.updated_at
            if isinstance(error, BadRequest) or waited > LONGEST_WAIT_S:
                continue
            raise
        if data:
            (into / name).write_bytes(data)
            try:
                found = reports.read(into / name, attempt)
            except InvalidReport:
                continue
            log.info("the report of attempt %s was found beside its results: %s", attempt.id, trouble)
            return found
    raise trouble
