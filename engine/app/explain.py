"""The history of a job in sentences, from the event log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection

from engine.app import pauses
from engine.clock import iso
from engine.domain import shown_states
from engine.domain.attempt import AttemptEvent, AttemptState
from engine.domain.job import JobState
from engine.domain.retry import cause_of
from engine.ids import ExecutionId
from engine.store import attempts, events, executions, needs, submissions
from engine.store.database import Database
from engine.store.events import JobEvent
from engine.store.jobs import Job
from engine.store.needs import Need
from engine.usecases import JobHistory
from wrappers import wire
from wrappers.causes import CAUSES

_MESSAGES: Final[Mapping[str, str]] = {
    "created": "the execution was created",
    "planned": "all its jobs were written: {detail}",
    "concluded": "the execution ended: {to}",
    "dataset": "the data set of its results was {to}: {detail}",
    "retried": "the user asked to retry what had not succeeded",
    "abandoned": "it was given up: {detail}",
    "run_requested": "the user asked to go on",
    "pause_requested": "the user asked to pause",
    "wait_requested": "it waits for its turn",
    "cancel_requested": "the user asked to cancel",
    "retry": "it is tried again: {detail}",
    "released": "all that it waited for has ended: {detail}",
    "quarantined": "an event that cannot be: it was set aside for a person to look at: {detail}",
    AttemptEvent.SUBMIT_REQUESTED: "prepared for back-end {detail}",
    AttemptEvent.ACCEPTED: "accepted by the back-end as {detail}",
    AttemptEvent.REJECTED: "refused by the back-end: {detail}",
    AttemptEvent.SEEN_QUEUED: "queued at the back-end {detail}",
    AttemptEvent.SEEN_RUNNING: "it runs {detail}",
    AttemptEvent.SEEN_FINISHED: "ended at the back-end; its report is read {detail}",
    AttemptEvent.GONE: "it is lost: {detail}",
    AttemptEvent.REPORT_SUCCEEDED: "its report is valid and its results are committed",
    AttemptEvent.REPORT_FAILED: "its report says that it failed: {detail}",
    AttemptEvent.REPORT_ABSENT: "no valid report came back: {detail}",
    "results_wait": "its results wait for a storage: {detail}",
    AttemptEvent.STORAGE_GONE: "its results wait no longer, and stay where they are: {detail}",
    AttemptEvent.TAKEN_UP: "its results are looked for again",
    AttemptEvent.CANCEL_REQUESTED: "its end was asked for",
    AttemptEvent.CANCEL_DONE: "it was cancelled before it started",
}


_FEW: Final = 3


def sentences(history: list[JobEvent]) -> Iterator[Mapping[str, Any]]:
    """Each event with its time, the try it belongs to, and a sentence."""
    for event in history:
        e = event.event
        message = _MESSAGES.get(e.news, e.news).format(detail=e.detail, to=e.state_to).strip().rstrip(":")
        if e.news == AttemptEvent.SEEN_FINISHED and e.state_to == AttemptState.CANCELLED:
            message = "it ended, as was asked for"
        yield {
            "at": iso(e.at),
            "attempt": event.ordinal,
            "event": e.news,
            "from": shown_states.of_event(e.state_from),
            "to": shown_states.of_event(e.state_to),
            "detail": e.detail,
            "message": message,
        }


def history_of(db: Database, id_: ExecutionId, job: Job) -> JobHistory:
    """Read the history of one job, with the summary of its last report."""
    with db.read() as connection:
        lines = list(sentences(events.history(connection, id_, job.id)))
        tries = attempts.of_job(connection, job.id)
        report = attempts.report_of(connection, tries[-1].id) if tries else None
        site = submissions.site_of(connection, tries[-1].submission_id) if tries else ""
        waited = list(_of_waiting(connection, id_, job)) if job.waits else []
        runs = bool(attempts.running_jobs(connection, [job.id]))
        held = pauses.reason(connection, executions.get(connection, id_))
    state = shown_states.of_job(job.state, runs=runs)
    summary = [f"job {job.number} is {state}", *_report_sentences(report or {})]
    if site:
        summary.insert(1, f"its last try was at the site {site}")
    summary += waited
    if held and job.state == JobState.READY:
        summary.append(held)
    if (report or {}).get("failure") == wire.ENGINE:
        summary.append(f"a defect of ours; where: engine logs --debug {id_}:{job.number}")
    phases = [
        {"name": one["name"], "seconds": one.get("seconds", 0.0)} for one in (report or {}).get("phases", [])
    ]
    return JobHistory(lines, summary, phases)


def _of_waiting(connection: Connection, id_: ExecutionId, job: Job) -> Iterator[str]:
    """Say what a job waits for, or waited for, and what of that never came."""
    if job.state == JobState.BLOCKED:
        left = needs.not_succeeded(connection, job.id, limit=_FEW + 1)
        shown = ", ".join(f"{_name(one)} ({one.state})" for one in left[:_FEW])
        more = ", ..." if len(left) > _FEW else ""
        yield f"it waits for {job.pending} of {job.waits} jobs: {shown}{more}"
    elif job.state == JobState.SKIPPED:
        yield f"it never ran: {job.message}"
        causes = _first_causes(connection, job)
        for one in causes[:_FEW]:
            yield f"{_name(one)} is {one.state}: {one.message}; engine explain {id_}:{one.number}"
        if len(causes) > _FEW:
            yield "and others; engine jobs shows them"
        yield f"engine retry {id_} tries them again, and then this one"
    elif job.missing:
        yield f"it ran without {job.missing} of the {job.waits} jobs that it waited for"
        for one in needs.released_without(connection, job.id, limit=_FEW):
            yield f"{_name(one)} was missing; it is {one.state}; engine explain {id_}:{one.number}"


def _first_causes(connection: Connection, job: Job) -> list[Need]:
    """Find the jobs that did not succeed and were not skipped themselves, in what a job waited for, and in
    what that waited for.
    """
    seen, todo, found = {job.id}, [job.id], list[Need]()
    while todo and len(found) <= _FEW:
        for one in needs.not_succeeded(connection, todo.pop(0), limit=_FEW + 1):
            if one.id in seen:
                continue
            seen.add(one.id)
            if one.state == JobState.SKIPPED:
                todo.append(one.id)
            else:
                found.append(one)
    return found


def _name(one: Need) -> str:
    return f"job {one.number} ({one.name})" if one.point else one.name


def _report_sentences(report: Mapping[str, Any]) -> Iterator[str]:
    if report.get("message"):
        yield f"report: {report['message']}"
    if report.get("failure") in CAUSES:
        cause = cause_of(report.get("cause", ""), report["failure"])
        yield f"cause: {cause.name} ({cause.failure}): {cause.words}"
        yield f"what to do: {cause.remedy}"
    runtime, host = report.get("runtime") or {}, report.get("host") or {}
    if runtime:
        mode = f" ({runtime['mode']})" if runtime.get("mode") else ""
        image = f", image {runtime['image']}" if runtime.get("image") else ""
        yield f"it ran with {runtime['name']}{mode} on {host.get('name', 'an unnamed host')}{image}"
        if runtime.get("why"):
            yield f"runtimes passed over: {runtime['why']}"
        yield from (f"warning: {line}" for line in runtime.get("warnings", []))
    for phase in report.get("phases", []):
        yield f"phase {phase['name']}: {phase.get('seconds', 0):.3f} s"
