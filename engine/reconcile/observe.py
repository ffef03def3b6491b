"""Asking a back-end what it knows, and applying what is new to attempts: level-triggered, without memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.domain.attempt import AttemptEvent, AttemptState
from engine.domain.retry import Failure
from engine.ids import SubmissionId
from engine.ports import Observation, Seen
from engine.reconcile.context import TickContext
from engine.reconcile.finish import finish_jobs
from engine.store import attempts, lifecycle, sites, submissions
from engine.store.lifecycle import EventNotice
from engine.store.submissions import Live

PAGE = 1000

EVENTS: Mapping[Seen, AttemptEvent] = {
    Seen.QUEUED: AttemptEvent.SEEN_QUEUED,
    Seen.RUNNING: AttemptEvent.SEEN_RUNNING,
    Seen.FINISHED: AttemptEvent.SEEN_FINISHED,
}


def observe(context: TickContext, known: dict[str, Observation]) -> bool:
    """Ask about every live submission. `known` spares telling again what was told; it may be lost."""
    changed, after, alive = False, "", set[str]()
    while True:
        with context.db.read() as connection:
            page = submissions.live(connection, context.backend.name, after=after, limit=PAGE)
        if not page:
            for native_id in known.keys() - alive:
                del known[native_id]
            return changed
        after = page[-1].id
        asked = [s.native_id for s in page if s.native_id]
        alive.update(asked)
        seen = {o.native_id: o for o in context.backend.observe(asked)}
        changed = _apply_page(context, page, seen, known) or changed


def _apply_page(
    context: TickContext, page: Sequence[Live], seen: Mapping[str, Observation], known: dict[str, Observation]
) -> bool:
    now = context.clock.now()
    grace = context.backend.capabilities.gone_after
    new = {s.id: seen[s.native_id or ""] for s in page if _is_new(s, seen, known)}
    absent = [s for s in page if s.native_id not in seen]
    gone = [s.id for s in absent if now - (now if s.unknown_since is None else s.unknown_since) >= grace]
    missed = [s.id for s in absent if s.unknown_since is None and s.id not in gone]
    back = [s.id for s in page if s.unknown_since is not None and s.native_id in seen]
    if not (new or gone or missed or back):
        return False
    with context.write() as connection:
        held = attempts.of_submissions(connection, [*new, *gone])
        notices = [
            EventNotice(a, EVENTS[o.seen], o.detail)
            for id_, o in new.items()
            for a in held[id_]
            if not _is_stale(a)
        ]
        notices += [
            EventNotice(a, AttemptEvent.GONE, "the back-end no longer knows it", Failure.LOST)
            for id_ in gone
            for a in held[id_]
        ]
        submissions.set_unknown_since(connection, missed, now)
        submissions.set_unknown_since(connection, back, None)
        submissions.set_detail(connection, _details(page, new))
        sites.set_sites(connection, _moved(new, known))
        finish_jobs(connection, lifecycle.apply_events(connection, notices, now=now), now=now)
    known.update({o.native_id: o for o in new.values()})
    return bool(notices)


def _is_new(item: Live, seen: Mapping[str, Observation], known: Mapping[str, Observation]) -> bool:
    native_id = item.native_id or ""
    return native_id in seen and known.get(native_id) != seen[native_id]


def _moved(
    new: Mapping[SubmissionId, Observation], known: Mapping[str, Observation]
) -> dict[SubmissionId, str]:
    """Submissions that have come to a site, or to another one."""
    return {
        id_: o.site
        for id_, o in new.items()
        if o.site and (o.native_id not in known or known[o.native_id].site != o.site)
    }


def _is_stale(a: attempts.Attempt) -> bool:
    """Say whether an attempt of a group ended earlier: it hears no more of its submission."""
    return a.state.at_rest or a.state == AttemptState.FINALISING


def _details(page: Sequence[Live], new: Mapping[SubmissionId, Observation]) -> dict[SubmissionId, str]:
    return {s.id: new[s.id].detail for s in page if s.id in new and new[s.id].detail != s.detail}
