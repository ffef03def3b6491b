"""The portal's words for states, and what its signals mean. Decisions only."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from engine.domain.attempt import AttemptState
from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from wrappers import wire


class TaskStatus(StrEnum):
    """States of a row of Jobs that the portal can read; any other breaks its whole list."""

    SUCCESSFULLY_SUBMITTED = "SUCCESSFULLY_SUBMITTED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    STALLED = "STALLED"
    CANCELLED = "CANCELLED"
    KILL = "KILL"


SIGNALS: Final = (
    "KILL",
    "KILL_REPLICA",
    "RESCHEDULE",
    "REPLICATE",
    "UNHOLD_ERROR",
    "UNHOLD_STALLED",
)
"""Words that the portal writes over a state to ask for something."""

OF_ATTEMPT: Final[Mapping[AttemptState, TaskStatus]] = {
    AttemptState.PREPARED: TaskStatus.SUCCESSFULLY_SUBMITTED,
    AttemptState.SUBMITTING: TaskStatus.SUCCESSFULLY_SUBMITTED,
    AttemptState.QUEUED: TaskStatus.QUEUED,
    AttemptState.RUNNING: TaskStatus.RUNNING,
    AttemptState.FINALISING: TaskStatus.RUNNING,
    AttemptState.CANCELLING: TaskStatus.KILL,
    AttemptState.STRANDED: TaskStatus.ERROR,
    AttemptState.SUCCEEDED: TaskStatus.COMPLETED,
    AttemptState.FAILED: TaskStatus.ERROR,
    AttemptState.LOST: TaskStatus.STALLED,
    AttemptState.CANCELLED: TaskStatus.CANCELLED,
}

WITHOUT_ATTEMPT: Final[Mapping[JobState, TaskStatus]] = {
    JobState.BLOCKED: TaskStatus.SUCCESSFULLY_SUBMITTED,
    JobState.READY: TaskStatus.SUCCESSFULLY_SUBMITTED,
    JobState.ACTIVE: TaskStatus.SUCCESSFULLY_SUBMITTED,
    JobState.SUCCEEDED: TaskStatus.COMPLETED,
    JobState.FAILED: TaskStatus.ERROR,
    JobState.CANCELLED: TaskStatus.CANCELLED,
    JobState.SKIPPED: TaskStatus.CANCELLED,
}
"""The state of a row for a job whose next attempt has not begun."""

OF_EXECUTION: Final[Mapping[ExecutionState, str]] = {
    ExecutionState.PLANNING: "Running",
    ExecutionState.ACTIVE: "Running",
    ExecutionState.SUCCEEDED: "Completed",
    ExecutionState.PARTIAL: "Failed",
    ExecutionState.FAILED: "Failed",
    ExecutionState.CANCELLED: "Killed",
}
"""The words of Workflows.status; they say what `GET /status` says."""

_EXIT_CODES: Final[Mapping[str, int]] = {
    wire.TOOL: 50,
    wire.LIMIT: 50,
    wire.INPUT: 40,
    wire.IMAGE: 52,
    wire.OUTPUT: 30,
}
"""GASW's exit codes for what failed; -1 says nothing."""


class SignalAction(StrEnum):
    """The action that a signal asks for."""

    CANCEL = "cancel"
    RESCHEDULE = "reschedule"
    NOTHING = "nothing"


def needs_row_to_come(job: JobState, last: AttemptState | None) -> bool:
    """Say whether a job is shown by a row of its next attempt too: one that has not begun, or never will."""
    if last is None or job in (JobState.READY, JobState.BLOCKED):
        return True
    return job in (JobState.CANCELLED, JobState.SKIPPED) and last in (AttemptState.FAILED, AttemptState.LOST)


def meaning(signal: str, job: JobState, row: AttemptState | None, *, newest: bool) -> SignalAction:
    """Say what a signal asks for; `row`: the attempt of the row that it was written to, None: not begun.

    Signals for what has ended, and those of replicas and held jobs, which are none here, ask for nothing.
    """
    if job.is_final or not newest or (row is not None and row.at_rest) or row is AttemptState.CANCELLING:
        return SignalAction.NOTHING
    if signal == "KILL":
        return SignalAction.CANCEL
    if signal == "RESCHEDULE" and row is not None and job is JobState.ACTIVE:
        return SignalAction.RESCHEDULE
    return SignalAction.NOTHING


def exit_code(state: AttemptState, failure: str) -> int:
    """Give the exit code of an attempt in GASW's numbers."""
    ended = {AttemptState.SUCCEEDED: 0, AttemptState.CANCELLED: 9, AttemptState.LOST: 10}
    if state in ended:
        return ended[state]
    return _EXIT_CODES.get(failure, -1)


def column_of_stats(state: AttemptState, failure: str) -> str:
    """Give the columns of Stats that an ended attempt counts in; "": in none."""
    if state is AttemptState.SUCCEEDED:
        return "completed"
    if state is AttemptState.CANCELLED or failure == wire.CANCELLED:
        return "cancelled"
    if state is AttemptState.LOST:
        return "failed_sta"
    if state is not AttemptState.FAILED:
        return ""
    return {wire.INPUT: "failed_in", wire.IMAGE: "failed_in", wire.OUTPUT: "failed_out"}.get(
        failure, "failed_app"
    )
