"""A job: one point of an execution, tried until it succeeds or the retry policy gives up."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class JobState(StrEnum):
    """The state of a job."""

    BLOCKED = "blocked"  # waits for other jobs
    READY = "ready"
    ACTIVE = "active"  # has an attempt that is not final
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # what it waited for failed

    @property
    def is_final(self) -> bool:
        """Only `engine retry` moves it any more."""
        return self in FINAL


FINAL: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED})

MAY_BECOME: Final[Mapping[JobState, frozenset[JobState]]] = {
    JobState.BLOCKED: frozenset({JobState.READY, JobState.SKIPPED, JobState.CANCELLED}),
    JobState.READY: frozenset({JobState.ACTIVE, JobState.CANCELLED}),
    JobState.ACTIVE: frozenset(
        {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.READY}  # ready: another try
    ),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset({JobState.READY, JobState.BLOCKED}),  # engine retry, and so for the next two
    JobState.CANCELLED: frozenset({JobState.READY, JobState.BLOCKED}),
    JobState.SKIPPED: frozenset({JobState.BLOCKED}),
}
