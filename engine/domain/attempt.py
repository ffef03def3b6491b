"""An attempt: one try of a job at one back-end. States, events, and the table that joins them.

Decisions only: no clock, no database, no effect. The reconciler writes what `advance` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.errors import IllegalTransition


class AttemptState(StrEnum):
    """The state of an attempt."""

    PREPARED = "prepared"
    SUBMITTING = "submitting"
    QUEUED = "queued"
    RUNNING = "running"
    FINALISING = "finalising"
    CANCELLING = "cancelling"
    STRANDED = "stranded"  # its results are kept where nobody can get at them now
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing moves it any more."""
        return self in FINAL

    @property
    def at_rest(self) -> bool:
        """Its job need not wait for it any more."""
        return self in FINAL or self is AttemptState.STRANDED


FINAL: Final = frozenset(
    {AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.LOST, AttemptState.CANCELLED}
)


class AttemptEvent(StrEnum):
    """An event of an attempt: what was learned of it, or asked for."""

    SUBMIT_REQUESTED = "submit_requested"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SEEN_QUEUED = "seen_queued"
    SEEN_RUNNING = "seen_running"
    SEEN_FINISHED = "seen_finished"
    GONE = "gone"  # the back-end has not known it for longer than its grace period
    REPORT_SUCCEEDED = "report_succeeded"  # a verified report, its products in place
    REPORT_FAILED = "report_failed"  # a verified report of a failure
    REPORT_ABSENT = "report_absent"  # finished, but no valid report came back
    STORAGE_GONE = "storage_gone"  # a verified report, its products out of reach for too long
    TAKEN_UP = "taken_up"  # another try was asked for: its products are looked for again
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_DONE = "cancel_done"  # certain never to have started


class Effect(StrEnum):
    """An effect on the outside world; each is a row of the outbox."""

    SUBMIT = "submit"
    COLLECT = "collect"
    CANCEL = "cancel"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state to which an event leads, and what must be done."""

    to: AttemptState
    effects: tuple[Effect, ...] = ()


S, N, E = AttemptState, AttemptEvent, Effect

TRANSITIONS: Final[Mapping[tuple[AttemptState, AttemptEvent], Transition]] = {
    (S.PREPARED, N.SUBMIT_REQUESTED): Transition(S.SUBMITTING, (E.SUBMIT,)),
    (S.PREPARED, N.CANCEL_REQUESTED): Transition(S.CANCELLED),
    (S.SUBMITTING, N.ACCEPTED): Transition(S.QUEUED),
    (S.SUBMITTING, N.REJECTED): Transition(S.FAILED),
    (S.SUBMITTING, N.CANCEL_REQUESTED): Transition(S.CANCELLING, (E.CANCEL,)),
    (S.QUEUED, N.SEEN_RUNNING): Transition(S.RUNNING),
    (S.QUEUED, N.SEEN_FINISHED): Transition(S.FINALISING, (E.COLLECT,)),
    (S.QUEUED, N.GONE): Transition(S.LOST, (E.FORGET,)),
    (S.QUEUED, N.CANCEL_REQUESTED): Transition(S.CANCELLING, (E.CANCEL,)),
    (S.RUNNING, N.SEEN_QUEUED): Transition(S.QUEUED),  # DIRAC reschedules on its own
    (S.RUNNING, N.SEEN_FINISHED): Transition(S.FINALISING, (E.COLLECT,)),
    (S.RUNNING, N.GONE): Transition(S.LOST, (E.FORGET,)),
    (S.RUNNING, N.CANCEL_REQUESTED): Transition(S.CANCELLING, (E.CANCEL,)),
    (S.FINALISING, N.REPORT_SUCCEEDED): Transition(S.SUCCEEDED, (E.FORGET,)),
    (S.FINALISING, N.REPORT_FAILED): Transition(S.FAILED, (E.FORGET,)),
    (S.FINALISING, N.REPORT_ABSENT): Transition(S.LOST, (E.FORGET,)),
    (S.FINALISING, N.STORAGE_GONE): Transition(S.STRANDED),
    (S.STRANDED, N.TAKEN_UP): Transition(S.FINALISING, (E.COLLECT,)),
    (S.CANCELLING, N.ACCEPTED): Transition(S.CANCELLING, (E.CANCEL,)),  # the id came late
    (S.CANCELLING, N.REJECTED): Transition(S.CANCELLED),
    (S.CANCELLING, N.CANCEL_DONE): Transition(S.CANCELLED),
    (S.CANCELLING, N.SEEN_FINISHED): Transition(S.CANCELLED, (E.FORGET,)),
    (S.CANCELLING, N.GONE): Transition(S.CANCELLED, (E.FORGET,)),
}

NO_CHANGE: Final = frozenset(
    {
        (S.SUBMITTING, N.SUBMIT_REQUESTED),
        (S.QUEUED, N.ACCEPTED),
        (S.QUEUED, N.SEEN_QUEUED),
        (S.RUNNING, N.ACCEPTED),
        (S.RUNNING, N.SEEN_RUNNING),
        (S.FINALISING, N.ACCEPTED),
        (S.FINALISING, N.SEEN_QUEUED),  # an old answer that arrives late
        (S.FINALISING, N.SEEN_RUNNING),
        (S.FINALISING, N.SEEN_FINISHED),
        (S.FINALISING, N.GONE),  # its report is being read
        (S.FINALISING, N.CANCEL_REQUESTED),  # it has ended: too late to cancel
        (S.CANCELLING, N.CANCEL_REQUESTED),
        (S.CANCELLING, N.SEEN_QUEUED),
        (S.CANCELLING, N.SEEN_RUNNING),
        (S.STRANDED, N.ACCEPTED),
        (S.STRANDED, N.SEEN_QUEUED),
        (S.STRANDED, N.SEEN_RUNNING),
        (S.STRANDED, N.SEEN_FINISHED),
        (S.STRANDED, N.GONE),
        (S.STRANDED, N.CANCEL_REQUESTED),
    }
)


def transition(state: AttemptState, event: AttemptEvent) -> Transition:
    """Return where `event` takes an attempt, and what must then be done.

    Final states absorb everything: a late "running" from the grid must never raise a finished attempt
    from the dead.

    Raises:
        IllegalTransition: the event contradicts the state; the caller quarantines the attempt.
    """
    if state.is_final or (state, event) in NO_CHANGE:
        return Transition(state)
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"an attempt that is {state} cannot have {event}") from None
