"""Taking over what a database does not know because it is older: a backup or a copy that was put back.

What happened after it is looked for, and not computed again. Records of attempts that ended: at the moment at
which their jobs would start, be submitted, or count as gone; their ends are collected as usual, from the
record in place of a report. Submissions that a back-end still holds: a job that waits gets their attempt in
place of a new one. The rest of what it holds of our executions is ended; what is of unknown executions is
another database's, as far as anybody can tell, and only named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptEvent, AttemptState, Effect
from engine.domain.execution import ExecutionState, Intent
from engine.domain.job import JobState
from engine.domain.retry import Failure
from engine.errors import CredentialExpired, NotFound, Unavailable
from engine.ids import AttemptId, ExecutionId, SubmissionId, new_id
from engine.ports import Enumerable, Seen
from engine.reconcile import records
from engine.reconcile.context import HeldAttempt, TickContext, log
from engine.reconcile.finish import finish_jobs
from engine.store import attempts, events, executions, jobs, lifecycle, outbox, submissions
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job, Move
from engine.store.lifecycle import EventNotice, NewAttempt
from wrappers import wire
from wrappers.wire import Manifest

ADOPTED = "adopted"
"""The event of an attempt that was taken over."""
_MANY = 100_000
_OVER, _RECORDED = "a submission that is over", "(its record was found)"


def look_at_backend(context: TickContext) -> None:
    """Find what the back-end holds of active executions and the database does not know; end what no job can
    use.
    """
    backend = context.backend
    context.found.clear()
    if not isinstance(backend, Enumerable):
        return
    with context.db.read() as connection:
        active = executions.in_state(connection, [ExecutionState.ACTIVE], _MANY, backends=[backend.name])
    there = backend.held([execution.id for execution in active])
    with context.db.read() as connection:  # after the back-end was asked: what we submit is known before
        unknown = [
            (key, native_id)
            for key in sorted(there.keys() - submissions.known(connection, there))
            for native_id in there[key]
        ]
        strangers = {
            native_id: execution
            for key, native_id in unknown
            if (execution := _note_wanted(context, connection, key, native_id, backend.manifests(native_id)))
        }
    wanted = {held.native_id for of in context.found.held.values() for held in of.values()}
    _end(context, [native_id for _, native_id in unknown if native_id not in wanted | strangers.keys()])
    kept = sum(map(len, context.found.held.values()))
    if kept:
        log.warning(
            "%s holds %d jobs that the database, which is older, does not know; they are taken over",
            backend.name,
            kept,
        )
    if strangers:
        of = sorted(set(strangers.values()))
        log.info("%s holds jobs of executions of another database: %s", backend.name, ", ".join(of))


def _note_wanted(
    context: TickContext,
    connection: Connection,
    key: str,
    native_id: str,
    manifests: Sequence[Manifest],
) -> str:
    """Note which jobs may get these attempts; of several of a job, the newest. Gives an execution that the
    database does not know, or "unknown ones" where that cannot be read here; "" when there is none.
    """
    stranger = ""
    if not manifests and context.backend.capabilities.on_this_machine:
        return "unknown ones"  # several databases may share a spool, also those of newer engines
    for manifest in manifests:
        id_, number = ExecutionId(manifest.execution), manifest.job.rpartition(":")[2]
        try:
            execution = executions.get(connection, id_)
            job = jobs.numbered(connection, id_, int(number))
        except (NotFound, ValueError):
            stranger = manifest.execution
            continue
        if execution.state == ExecutionState.ACTIVE and not job.state.is_final:
            held = HeldAttempt(
                AttemptId(manifest.attempt), SubmissionId(key), native_id, wire.digest(manifest)
            )
            of = context.found.held.setdefault(id_, {})
            of[job.number] = max(of.get(job.number, held), held, key=lambda one: one.id)
    return stranger


def _end(context: TickContext, unwanted: Sequence[str]) -> None:
    """Ask for the end of submissions that no job can use."""
    if not unwanted:
        return
    log.warning(
        "%s holds %d submissions that the database does not know and no job needs; they are ended",
        context.backend.name,
        len(unwanted),
    )
    context.backend.cancel(unwanted)
    context.found.unwanted += unwanted


def end_unwanted(context: TickContext) -> bool:
    """End what was found of executions that are over, or shall be; let the back-end forget what has ended."""
    found = context.found
    if found.held:
        with context.db.read() as connection:
            of = [executions.get(connection, id_) for id_ in found.held]
        for execution in of:
            if execution.state.is_final or execution.intent == Intent.CANCEL:
                _end(context, [held.native_id for held in found.held.pop(execution.id).values()])
    if not found.unwanted:
        return False
    moving = {o.native_id for o in context.backend.observe(found.unwanted) if o.seen != Seen.FINISHED}
    over = [native_id for native_id in found.unwanted if native_id not in moving]
    context.backend.forget(over)
    found.unwanted = [native_id for native_id in found.unwanted if native_id in moving]
    return bool(over)


def adopt(context: TickContext, ready: Sequence[Job]) -> bool:
    """Give jobs that are about to start the attempts that were found of them. True when there were any."""
    now = context.clock.now()
    with context.db.read() as connection:
        of = {id_: executions.get(connection, id_) for id_ in {job.execution_id for job in ready}}
        together = [*ready, *_companions(context, connection, ready)]
    recorded: list[tuple[Job, NewAttempt, str]] = []
    running: list[tuple[Job, NewAttempt, HeldAttempt]] = []
    passed: list[str] = []
    for job in together:
        newest = records.unexplained(context, of[job.execution_id]).get(job.number, 0)
        held = context.found.held.get(job.execution_id, {}).pop(job.number, None)
        record = _read(context, of[job.execution_id], job, newest) if newest > job.attempts else None
        if held is not None and record is not None and record.attempt > held.id:  # a later one has ended
            passed.append(held.native_id)
            held = None
        if held is not None:
            last = newest - 1 if record is not None and record.attempt == held.id else newest
            ordinal = max(job.attempts, last) + 1
            running.append((job, _new(job, held.id, held.submission_id, ordinal), held))
        elif record is not None:
            new = _new(job, record.attempt, SubmissionId(new_id()), newest)
            recorded.append((job, new, record.report.manifest_sha256))
    with context.db.read() as connection:
        taken = submissions.known(connection, [new.submission_id for _, new, _ in running])
        made = _once(connection, [new for _, new, _ in [*running, *recorded]])
    running = [one for one in running if one[1].submission_id not in taken and one[1] in made]
    recorded = [one for one in recorded if one[1] in made]
    still = {held.native_id for _, _, held in running}
    _end(context, [native_id for native_id in passed if native_id not in still])
    if not recorded and not running:
        return False
    with context.write() as connection:
        _begin(context, connection, [(job, new) for job, new, _ in [*recorded, *running]], now=now)
        manifests = {new.id: sha256 for _, new, sha256 in recorded}
        attempts.set_manifests(
            connection, {**manifests, **{new.id: held.manifest_sha256 for _, new, held in running}}
        )
        submissions.set_native_ids(
            connection, {new.submission_id: held.native_id for _, new, held in running}
        )
        over = [new.submission_id for _, new, _ in recorded]
        named = {new.submission_id: held.native_id for _, new, held in running}
        _apply(connection, {**named, **dict.fromkeys(over, _OVER)}, AttemptEvent.ACCEPTED, now)
        _apply(connection, dict.fromkeys(over, _RECORDED), AttemptEvent.SEEN_FINISHED, now)
    return True


def _companions(context: TickContext, connection: Connection, ready: Sequence[Job]) -> list[Job]:
    """Find the other jobs of submissions that jobs are about to get: each is taken over as a whole, since the
    database can be told of it only once.
    """
    found = []
    for id_ in {job.execution_id for job in ready}:
        held = context.found.held.get(id_, {})
        numbers = {job.number for job in ready if job.execution_id == id_}
        keys = {held[number].submission_id for number in numbers if number in held}
        for number in [n for n, one in held.items() if one.submission_id in keys and n not in numbers]:
            job = jobs.numbered(connection, id_, number)
            if job.state == JobState.READY:
                found.append(job)
            else:
                del held[number]
    return found


def _once(connection: Connection, found: Sequence[NewAttempt]) -> set[NewAttempt]:
    """Leave out attempts that the database knows, and those of which two jobs have a trace: one has it."""
    first = {new.id: new for new in reversed(found)}
    return {new for new in first.values() if attempts.find(connection, new.id) is None}


def _new(job: Job, id_: AttemptId, submission_id: SubmissionId, ordinal: int) -> NewAttempt:
    return NewAttempt(id_, job.id, submission_id, job.execution_id, ordinal)


def _read(context: TickContext, execution: Execution, job: Job, ordinal: int) -> records.Record | None:
    try:
        return records.read(context, execution, job.number, ordinal)
    except (Unavailable, CredentialExpired) as error:  # it answered a moment ago, when it listed them
        log.warning("a record of job %s:%d cannot be read: %s", execution.id, job.number, error)
        return None


def _begin(
    context: TickContext, connection: Connection, begun: Sequence[tuple[Job, NewAttempt]], *, now: float
) -> None:
    moves = [Move(replace(job, attempts=new.ordinal - 1), JobState.ACTIVE) for job, new in begun]
    jobs.move(connection, moves, now=now, started=True)
    made = [new for _, new in begun]
    lifecycle.prepare(connection, context.backend.name, made, now=now)
    outbox.done(connection, Effect.SUBMIT, [new.submission_id for new in made])
    text = "it was made before; the database is older"
    events.append(
        connection, [events.Event(n.execution_id, now, ADOPTED, n.job_id, n.id, detail=text) for n in made]
    )


def _apply(
    connection: Connection, details: Mapping[SubmissionId, str], event: AttemptEvent, now: float
) -> None:
    held = attempts.of_submissions(connection, list(details))
    notices = [EventNotice(a, event, details[id_]) for id_, group in held.items() for a in group]
    lifecycle.apply_events(connection, notices, now=now)


def recorded(context: TickContext, held: Sequence[Attempt]) -> dict[AttemptId, EventNotice]:
    """Find attempts of which a record, or one of a later attempt, tells that they are over: with the event
    that this is for them.
    """
    with context.db.read() as connection:
        of = {id_: executions.get(connection, id_) for id_ in {a.execution_id for a in held}}
    if not any(records.unexplained(context, execution) for execution in of.values()):
        return {}
    with context.db.read() as connection:
        found = jobs.by_ids(connection, {a.job_id for a in held})
    over: dict[AttemptId, EventNotice] = {}
    for a in held:
        newest = context.found.records[a.execution_id].get(found[a.job_id].number, 0)
        if newest == a.ordinal:
            over[a.id] = EventNotice(a, AttemptEvent.SEEN_FINISHED, _RECORDED)
        elif newest > a.ordinal:
            text = "a later attempt has a record"
            over[a.id] = EventNotice(a, AttemptEvent.GONE, text, Failure.LOST)
    return over


def finish_recorded(
    context: TickContext, held: Mapping[SubmissionId, Sequence[Attempt]]
) -> set[SubmissionId]:
    """End submissions that are to be handed over and were, before: their records tell. Gives which."""
    over = recorded(context, [a for group in held.values() for a in group])
    if not over:
        return set()
    now = context.clock.now()
    ids = {id_ for id_, group in held.items() if any(a.id in over for a in group)}
    with context.write() as connection:
        outbox.done(connection, Effect.SUBMIT, list(ids))
        _apply(connection, dict.fromkeys(ids, _OVER), AttemptEvent.ACCEPTED, now)
        again = attempts.of_submissions(connection, list(ids))
        lost = "it was handed over with others whose records were found"
        notices = [
            replace(over[a.id], attempt=a)
            if a.id in over
            else EventNotice(a, AttemptEvent.GONE, lost, Failure.LOST)
            for group in again.values()
            for a in group
            if a.state == AttemptState.QUEUED
        ]
        finish_jobs(connection, lifecycle.apply_events(connection, notices, now=now), now=now)
    return ids
