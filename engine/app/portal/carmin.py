"""The words of CARMIN 0.3.1 in VIP's dialect: error codes, and how our states are called there."""

from __future__ import annotations

from enum import IntEnum

from engine.domain.execution import ExecutionState
from engine.domain.job import JobState
from engine.errors import BadRequest


class Code(IntEnum):
    """`errorCode`: those of VIP, which its clients know."""

    PLATFORM_FULL = 2000
    USER_FULL = 2001
    WRONG_DESCRIPTOR = 2002
    GENERIC = 8000
    NOT_IMPLEMENTED = 8001
    BAD_CREDENTIALS = 8002
    NO_CREDENTIALS = 8003
    AUTHENTICATION = 8004
    BAD_PIPELINE_IDENTIFIER = 8005
    NO_APPLICATION = 8006
    NO_PIPELINE = 8007
    PIPELINE_NOT_ALLOWED = 8008
    BAD_INPUT = 8009
    BAD_DATE = 8010
    DATA_NOT_ALLOWED = 8013
    OIDC = 8014
    NO_EXECUTION = 8015
    BAD_EXAMPLE = 8016
    NOT_BOUTIQUES = 8017
    MISSING_INPUT = 8018
    BAD_EXECUTION_NAME = 8019
    BAD_EXECUTION = 8020


class CarminError(BadRequest):
    """A request that is refused with one of VIP's codes."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        remedy: str = "",
        status: int = 0,
        execution_id: str = "",
        retry_after: float = 0.0,
    ) -> None:
        """`execution_id`: of another's execution, where that is why; told to the audit trail alone.
        `retry_after`: seconds after which it may be asked again; 0: as usual for the status.
        """
        super().__init__(message, remedy=remedy)
        self.code = code
        self.execution_id = execution_id
        self.retry_after = retry_after
        self.status = status or (401 if code in _UNAUTHENTICATED else 400)


_UNAUTHENTICATED = frozenset({Code.BAD_CREDENTIALS, Code.NO_CREDENTIALS, Code.AUTHENTICATION})

_EXECUTION = {
    ExecutionState.PLANNING: "Running",  # clients stop watching at Initializing and Ready
    ExecutionState.ACTIVE: "Running",
    ExecutionState.SUCCEEDED: "Finished",
    ExecutionState.PARTIAL: "ExecutionFailed",
    ExecutionState.FAILED: "ExecutionFailed",
    ExecutionState.CANCELLED: "Killed",
}
_JOB = {  # the words of GASW, VIP's job layer
    JobState.BLOCKED: "QUEUED",
    JobState.READY: "QUEUED",
    JobState.ACTIVE: "RUNNING",
    JobState.SUCCEEDED: "COMPLETED",
    JobState.FAILED: "ERROR",
    JobState.CANCELLED: "CANCELLED",
    JobState.SKIPPED: "CANCELLED",
}


def execution_status(state: ExecutionState) -> str:
    """`status` of an execution."""
    return _EXECUTION[state]


def job_states(status: str) -> tuple[JobState, ...]:
    """List the states that have this name in CARMIN."""
    return tuple(state for state, carmin_status in _JOB.items() if carmin_status == status)


def job_status(state: JobState) -> str:
    """`status` of a job."""
    return _JOB[state]
