"""DIRAC's sixteen job states in the words of the port.

Source: DIRACCommon.WorkloadManagementSystem.Client.JobStatus 9.1. States go backwards too: Running and
Failed jobs may be rescheduled, Stalled ones come back. That is no end: only a report is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from engine.ports import Seen

SEEN: Final[Mapping[str, Seen]] = {
    "Submitting": Seen.QUEUED,
    "Received": Seen.QUEUED,
    "Checking": Seen.QUEUED,
    "Staging": Seen.QUEUED,
    "Scouting": Seen.QUEUED,
    "Waiting": Seen.QUEUED,
    "Matched": Seen.QUEUED,  # a pilot has it, the payload has not started
    "Rescheduled": Seen.QUEUED,
    "Running": Seen.RUNNING,
    "Stalled": Seen.RUNNING,  # silent for a while: it may come back, or DIRAC says Failed
    "Completing": Seen.RUNNING,
    "Completed": Seen.RUNNING,  # the payload is over, requests for its files are not
    "Done": Seen.FINISHED,
    "Failed": Seen.FINISHED,
    "Killed": Seen.FINISHED,
    "Deleted": Seen.FINISHED,  # by an administrator: no report will come
}

ACTIVE: Final = tuple(sorted(state for state, seen in SEEN.items() if seen != Seen.FINISHED))
"""States of jobs that may still move."""


def seen(state: str) -> Seen:
    """Translate a state; one that is not known (DIRAC has a new one) is a state in which a job may still
    move.
    """
    return SEEN.get(state, Seen.QUEUED)


def status_text(state: str, minor: str, application: str) -> str:
    """Render the status of a job for people: `Running (Application): step 2 of 5`."""
    text = f"{state} ({minor})" if minor and minor != state else state
    return text if application in ("", "Unknown", "idem") else f"{text}: {application}"


def history_line(status: str, minor: str, application: str, moment: str, source: str) -> tuple[float, str]:
    """Make a line of a job's history: when (ISO 8601, UTC where it does not say), the status, and its
    source.
    """
    at = datetime.fromisoformat(moment) if moment else datetime.fromtimestamp(0, UTC)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return at.timestamp(), f"{status_text(status, minor, application)}, says {source or 'Unknown'}"
