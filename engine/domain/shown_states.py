"""States as users see them: what waits is queued, only what runs is running. The engine tells more states
apart; why a job waits is in `engine explain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from engine.domain.attempt import AttemptState
from engine.domain.execution import ExecutionState
from engine.domain.job import JobState


class ShownJobState(StrEnum):
    """The state of a job, in words for users."""

    QUEUED = "queued"  # waits for other jobs, for its turn, for another try, or in the queue of the back-end
    RUNNING = "running"  # its tool was seen running; until its report and its results are taken over
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # what it waited for failed


class ShownExecutionState(StrEnum):
    """The state of an execution, in words for users."""

    QUEUED = "queued"  # none of its jobs has run yet
    RUNNING = "running"  # from its first job that runs until its last has ended
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"  # some jobs succeeded, some did not
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL_JOBS: Final = frozenset(
    {ShownJobState.SUCCEEDED, ShownJobState.FAILED, ShownJobState.CANCELLED, ShownJobState.SKIPPED}
)
FINAL_EXECUTIONS: Final = frozenset(
    {
        ShownExecutionState.SUCCEEDED,
        ShownExecutionState.PARTIAL,
        ShownExecutionState.FAILED,
        ShownExecutionState.CANCELLED,
    }
)
RUNNING_ATTEMPTS: Final = (AttemptState.RUNNING, AttemptState.FINALISING, AttemptState.CANCELLING)
"""An active job runs when it has an attempt in one of these; what is being cancelled may still run."""
_WAITING: Final = frozenset({JobState.BLOCKED, JobState.READY})


def of_job(state: JobState, *, runs: bool) -> ShownJobState:
    """Tell the state of a job; `runs`: it has an attempt that runs."""
    if state is JobState.ACTIVE:
        return ShownJobState.RUNNING if runs else ShownJobState.QUEUED
    return ShownJobState.QUEUED if state in _WAITING else ShownJobState(state)


def stored_states(shown: Iterable[ShownJobState]) -> Sequence[JobState]:
    """List the states in which a job may be that is shown in one of these; none: in all."""
    wanted = set(shown)
    return [state for state in JobState if {of_job(state, runs=runs) for runs in (True, False)} & wanted]


def tally(counts: Mapping[JobState, int], running: int) -> dict[str, int]:
    """Count jobs by the states that are shown; states without a job are left out. `running` of the active
    ones run.
    """
    active = counts.get(JobState.ACTIVE, 0)
    running = min(running, active)
    found = dict.fromkeys(ShownJobState, 0)
    for state, number in counts.items():
        if state is not JobState.ACTIVE:
            found[of_job(state, runs=False)] += number
    found[ShownJobState.QUEUED] += active - running
    found[ShownJobState.RUNNING] += running
    return {str(state): number for state, number in found.items() if number}


def of_execution(state: ExecutionState, jobs: Mapping[str, int]) -> ShownExecutionState:
    """Tell the state of an execution, from its jobs by the states that are shown."""
    if state.is_final:
        return ShownExecutionState(state)
    begun = jobs.keys() - {ShownJobState.QUEUED}
    return ShownExecutionState.RUNNING if begun else ShownExecutionState.QUEUED


def of_event(state: str | None) -> str | None:
    """Tell a state of an execution, a job or an attempt in the history of a job."""
    if state in _WAITING or state == ExecutionState.PLANNING:
        return ShownJobState.QUEUED
    return ShownJobState.RUNNING if state == JobState.ACTIVE else state
