"""An execution: everything that one submit asked for. Intent is kept apart from state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from engine.domain.job import JobState


class Intent(StrEnum):
    """The user's intent; the reconciler makes the state follow."""

    RUN = "run"
    WAIT = "wait"  # for its turn: its user has as many at work as may be
    PAUSE = "pause"  # nothing new starts; what back-ends have accepted goes on
    CANCEL = "cancel"


class ExecutionState(StrEnum):
    """The state of an execution."""

    PLANNING = "planning"  # its jobs are being written; nothing runs yet
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"  # some jobs succeeded, some did not
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Only `engine retry` moves it any more."""
        return self in FINAL


FINAL: Final = frozenset(
    {
        ExecutionState.SUCCEEDED,
        ExecutionState.PARTIAL,
        ExecutionState.FAILED,
        ExecutionState.CANCELLED,
    }
)


def conclude(tally: Mapping[JobState, int]) -> ExecutionState:
    """Compute the state of an execution whose jobs are counted by state in `tally`.

    It stays active while any job can still move. Partial means that some jobs have results and others
    have none, for whatever reason; a cancelled execution without any result is cancelled.
    """
    if any(count for state, count in tally.items() if not state.is_final):
        return ExecutionState.ACTIVE
    succeeded = tally.get(JobState.SUCCEEDED, 0)
    failed = tally.get(JobState.FAILED, 0) + tally.get(JobState.SKIPPED, 0)
    cancelled = tally.get(JobState.CANCELLED, 0)
    if succeeded and (failed or cancelled):
        return ExecutionState.PARTIAL
    if cancelled:
        return ExecutionState.CANCELLED
    return ExecutionState.FAILED if failed else ExecutionState.SUCCEEDED
