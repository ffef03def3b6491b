"""Names of things. ULIDs sort by the time they were made, also within one millisecond."""

from __future__ import annotations

from typing import NewType

from ulid import ULID

ExecutionId = NewType("ExecutionId", str)
AttemptId = NewType("AttemptId", str)
SubmissionId = NewType("SubmissionId", str)
JobId = NewType("JobId", int)
"""The row of a job. People call a job by its execution and number: `01J...:17`."""


def new_id() -> str:
    """Make a fresh ULID, 26 characters, later ones sorting after earlier ones of this process."""
    return str(ULID())


def job_name(execution: ExecutionId, number: int) -> str:
    """Return how people and reports call a job."""
    return f"{execution}:{number}"
