"""Results that wait for their storage: asked for again and again, ever more seldom, and told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from engine.domain.attempt import AttemptState, Effect
from engine.errors import CredentialExpired, Unavailable
from engine.ids import SubmissionId
from engine.reconcile.context import log
from engine.store import alerts, events, outbox
from engine.store.attempts import Attempt
from engine.store.outbox import Due
from wrappers.backoff import Backoff

LONGEST_PAUSE_S = 300.0
"""Seconds between two tries at most."""

Trouble = Unavailable | CredentialExpired
"""Why results cannot be put in their place now."""


def note(
    connection: Connection,
    over: Sequence[Due],
    postponed: Mapping[Due, Trouble],
    held: Mapping[SubmissionId, Sequence[Attempt]],
    *,
    again: float,
    now: float,
) -> None:
    """Write when each is tried again, and have everybody know what it waits for. `again` is the first pause
    in seconds; each is twice as long as the one before.
    """
    pauses = Backoff(again, LONGEST_PAUSE_S)
    until = {item.submission_id: now + pauses.pause(item.tries) for item in postponed}
    outbox.postpone(connection, Effect.COLLECT, until)
    for execution_id in {item.execution_id for item in over if item.tries} - {
        item.execution_id for item in postponed
    }:
        alerts.clear(connection, execution_id)
    notices = []
    for item, trouble in postponed.items():
        if item.tries:
            continue
        log.warning("results of execution %s wait: %s", item.execution_id, trouble)
        state = AttemptState.FINALISING
        notices += [
            events.Event(item.execution_id, now, "results_wait", a.job_id, a.id, state, state, str(trouble))
            for a in held[item.submission_id]
            if a.state == state
        ]
    events.append(connection, notices)
    for execution_id, words in {item.execution_id: str(error) for item, error in postponed.items()}.items():
        alerts.note(connection, execution_id, f"results wait for their storage: {words}", now=now)


def gave_up_message(trouble: Trouble, waited: float) -> str:
    """Write the message for results that nobody waits for any more."""
    return (
        f"its results are kept on a storage that has not answered for {waited:.0f} s ({trouble}); "
        "when it does, `engine retry` takes them up without running the tool again"
    )
