"""Jobs that ran although some that they waited for had not succeeded, in sentences."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from engine.ids import ExecutionId
from engine.store import jobs, needs

_JOBS, _NAMES = 3, 5


def sentences(connection: Connection, id_: ExecutionId) -> list[str]:
    """Tell of the first of them, with the names of what was missing."""
    found = []
    for job in jobs.incomplete(connection, id_, limit=_JOBS):
        lost = needs.released_without(connection, job.id, limit=_NAMES)
        more = f" and {job.missing - _NAMES} more" if job.missing > _NAMES else ""
        what = f"job {job.number} ran without {job.missing} of {job.waits}"
        found.append(f"{what}: {', '.join(one.name for one in lost)}{more}")
    return found
