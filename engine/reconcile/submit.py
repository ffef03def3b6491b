"""From ready jobs to accepted submissions. Our key travels with each, and is looked for before a retry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby

from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptEvent, AttemptState, Effect
from engine.domain.job import JobState
from engine.domain.options import GridOptions
from engine.domain.retry import Failure
from engine.errors import BadRequest
from engine.ids import AttemptId, ExecutionId, SubmissionId, new_id
from engine.ports import Accepted, Rejected, Submission
from engine.reconcile import layout
from engine.reconcile.context import TickContext, log
from engine.reconcile.finish import finish_jobs
from engine.reconcile.site_health import avoid
from engine.store import attempts, executions, jobs, lifecycle, outbox, pauses, submissions
from engine.store.attempts import Attempt
from engine.store.executions import Execution
from engine.store.jobs import Job, Move
from engine.store.lifecycle import EventNotice, NewAttempt
from engine.store.outbox import Due
from wrappers import wire
from wrappers.wire import Manifest

MOST = 5000
"""Jobs that one round starts at most, unless a single submission holds more."""


def start_ready(context: TickContext) -> bool:
    """Give ready jobs an attempt and a submission, as far as the window of the back-end has room."""
    can = context.backend.capabilities
    now = context.clock.now()
    with context.db.read() as connection:
        if pauses.of(connection, context.backend.name):
            return False
        room = min(can.window - submissions.in_flight(connection, context.backend.name), can.window // 2 + 1)
        chunks = _next_chunks(connection, context.backend.name, room, now=now) if room > 0 else []
    if not chunks:
        return False
    if _resume_delivery(context, [j for chunk in chunks for j in chunk if j.attempts]):
        return True
    new: list[NewAttempt] = []
    for chunk in chunks:
        submission_id = SubmissionId(new_id())
        new += [
            NewAttempt(AttemptId(new_id()), j.id, submission_id, j.execution_id, j.attempts + 1)
            for j in chunk
        ]
    with context.write() as connection:
        moves = [Move(j, JobState.ACTIVE) for chunk in chunks for j in chunk]
        jobs.move(connection, moves, now=now, started=True)
        lifecycle.prepare(connection, context.backend.name, new, now=now)
    return True


def _resume_delivery(context: TickContext, ready: Sequence[Job]) -> bool:
    """Go on with attempts whose tools ran well, in place of new ones: only results are to be fetched."""
    if not ready:
        return False
    with context.db.read() as connection:
        stranded = attempts.undelivered(connection, [j.id for j in ready])
    if not stranded:
        return False
    now = context.clock.now()
    wanted = {a.job_id for a in stranded}
    with context.write() as connection:
        jobs.move(connection, [Move(j, JobState.ACTIVE) for j in ready if j.id in wanted], now=now)
        lifecycle.apply_events(connection, [EventNotice(a, AttemptEvent.TAKEN_UP) for a in stranded], now=now)
    return True


def _next_chunks(connection: Connection, backend: str, room: int, *, now: float) -> list[Sequence[Job]]:
    """Ready jobs for at most `room` submissions, as many to each as their execution wants."""
    sizes: dict[ExecutionId, int] = {}
    found = jobs.ready(connection, backend, now=now, limit=room)
    for id_ in {j.execution_id for j in found}:
        sizes[id_] = max(executions.get(connection, id_).options.group, 1)
    largest = max(sizes.values(), default=1)
    if largest > 1:
        limit = max(min(room * largest, MOST), largest)
        found = [j for j in jobs.ready(connection, backend, now=now, limit=limit) if j.execution_id in sizes]
    chunks: list[Sequence[Job]] = []
    for execution_id, group in groupby(found, key=lambda j: j.execution_id):
        items, size = list(group), sizes[execution_id]
        chunks += [items[at : at + size] for at in range(0, len(items), size)]
    return chunks[:room]


def submit_due(context: TickContext) -> bool:
    """Hand over what waits in the outbox, one batch at a time."""
    can = context.backend.capabilities
    now = context.clock.now()
    with context.db.read() as connection:
        due = outbox.due(connection, Effect.SUBMIT, context.backend.name, now=now, limit=can.batch_size)
        if not due:
            return False
        held = attempts.of_submissions(connection, [d.submission_id for d in due])
        away = avoid(connection, context.backend.name, held, now=now)
        of = {id_: executions.get(connection, id_) for id_ in {d.execution_id for d in due}}
        by_submission, broken, files = _manifests(context, due, held, of)
    adopted = _adopt(context, [d for d in due if d.tries > 0])
    again_at = now + can.visibility_delay  # before that, `find` could miss what a crash left behind
    with context.write() as connection:
        outbox.claim(connection, Effect.SUBMIT, due, again_at=again_at)
        attempts.set_manifests(
            connection,
            {
                AttemptId(m.attempt): wire.digest(m)
                for id_, manifests in by_submission.items()
                if id_ not in adopted  # it carries the manifest of then
                for m in manifests
            },
        )
    answers: dict[SubmissionId, Accepted | Rejected] = {**broken, **adopted}
    open_ = [d for d in due if d.submission_id not in answers and d.submission_id in by_submission]
    fresh = [d for d in open_ if not d.held]
    wanted = [d for d in fresh if all(a.state == AttemptState.SUBMITTING for a in held[d.submission_id])]
    batch = [
        _submission(context, d, by_submission[d.submission_id], files, away, of[d.execution_id].options.grid)
        for d in wanted
    ]
    if batch:
        replies = context.backend.submit(batch)
        answers |= {SubmissionId(s.key): reply for s, reply in zip(batch, replies, strict=True)}
    sent = {d.submission_id for d in wanted}
    unwanted = [d.submission_id for d in fresh if d.submission_id not in sent]
    _record_answers(context, answers, unwanted, absent=[d.submission_id for d in open_ if d.held])
    return True


def _submission(
    context: TickContext,
    due: Due,
    manifests: Sequence[Manifest],
    files: Mapping[str, bytes],
    away: Mapping[SubmissionId, Sequence[str]],
    grid: GridOptions,
) -> Submission:
    """Make the submission; an attempt that has something to exchange for it gets a claim."""
    claims = {m.attempt: context.claim(AttemptId(m.attempt)) for m in manifests if m.exchange}
    own = {name: files[name] for name in _travelling(manifests)}
    return Submission(
        due.submission_id, due.execution_id, manifests, claims, own, away.get(due.submission_id, ()), grid
    )


def _travelling(manifests: Sequence[Manifest]) -> dict[str, str]:
    """Name -> sha256 of the files that lie beside these manifests."""
    wanted = (one for manifest in manifests for one in manifest.inputs)
    return {name: one.sha256 or "" for one in wanted if (name := wire.travelling(one))}


def _manifests(
    context: TickContext,
    due: Sequence[Due],
    held: dict[SubmissionId, list[Attempt]],
    of: Mapping[ExecutionId, Execution],
) -> tuple[dict[SubmissionId, list[Manifest]], dict[SubmissionId, Rejected], dict[str, bytes]]:
    """Make the manifests of each submission, and the files that travel with them. One that cannot be
    rendered, or whose files are gone, is refused, not the batch.
    """
    by_submission: dict[SubmissionId, list[Manifest]] = {}
    broken: dict[SubmissionId, Rejected] = {}
    files: dict[str, bytes] = {}
    with context.db.read() as connection:
        found = jobs.by_ids(connection, {a.job_id for d in due for a in held[d.submission_id]})
    for d in due:
        try:
            manifests = [
                context.manifest(of[d.execution_id], found[a.job_id], a.id) for a in held[d.submission_id]
            ]
            for name, sha256 in _travelling(manifests).items():
                if name not in files:
                    files[name] = _read(context, layout.input_url(of[d.execution_id].results, sha256), sha256)
            by_submission[d.submission_id] = manifests
        except BadRequest as error:
            broken[d.submission_id] = Rejected(str(error))
    return by_submission, broken, files


def _read(context: TickContext, url: str, sha256: str) -> bytes:
    data = context.storage(url).read(url)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadRequest(f"{url} is not the input any more that was planned")
    return data


def _adopt(context: TickContext, tried: Sequence[Due]) -> dict[SubmissionId, Accepted]:
    """Submissions of an earlier try that did arrive. Of several copies the oldest stays."""
    found: dict[SubmissionId, Accepted] = {}
    for group, items in groupby(sorted(tried, key=lambda d: d.execution_id), key=lambda d: d.execution_id):
        keys = [d.submission_id for d in items]
        for key, native_ids in context.backend.find(group, keys).items():
            if native_ids:
                found[SubmissionId(key)] = Accepted(native_ids[0])
                if native_ids[1:]:
                    log.warning("submission %s arrived %d times; the copies end", key, len(native_ids))
                    context.backend.cancel(native_ids[1:])
    return found


def _record_answers(
    context: TickContext,
    answers: dict[SubmissionId, Accepted | Rejected],
    unwanted: Sequence[SubmissionId],
    absent: Sequence[SubmissionId],
) -> None:
    """Write what became of submissions; `absent`: they were looked for and have not arrived."""
    now = context.clock.now()
    with context.write() as connection:
        # Read again: the user may have asked for the end while the back-end was answering.
        held = attempts.of_submissions(connection, [*answers, *unwanted])
        notices = []
        for id_, answer in answers.items():
            for a in held[id_]:
                if isinstance(answer, Accepted):
                    notices.append(EventNotice(a, AttemptEvent.ACCEPTED, answer.native_id))
                else:
                    notices.append(EventNotice(a, AttemptEvent.REJECTED, answer.reason, Failure.REJECTED))
        notices += [EventNotice(a, AttemptEvent.CANCEL_DONE) for id_ in unwanted for a in held[id_]]
        submissions.set_native_ids(
            connection, {id_: a.native_id for id_, a in answers.items() if isinstance(a, Accepted)}
        )
        outbox.done(connection, Effect.SUBMIT, [*answers, *unwanted])
        outbox.put_back(connection, Effect.SUBMIT, absent, now=now)
        finish_jobs(connection, lifecycle.apply_events(connection, notices, now=now), now=now)
