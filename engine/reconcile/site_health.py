"""Learning from sites of a grid, and sending jobs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from engine.domain.site import sites_to_avoid
from engine.ids import SubmissionId
from engine.store import sites
from engine.store.attempts import Attempt
from engine.store.lifecycle import EventNotice


def record_outcomes(connection: Connection, ended: Sequence[EventNotice], *, now: float) -> None:
    """Note what the ends of attempts tell about the sites where they ran."""
    sites.add_outcomes(connection, [_outcome(notice) for notice in ended], now=now)


def avoid(
    connection: Connection, backend: str, held: Mapping[SubmissionId, Sequence[Attempt]], *, now: float
) -> dict[SubmissionId, Sequence[str]]:
    """Return where submissions had better not go."""
    known = sites.known(connection, backend)
    if not known:
        return {}
    resting = [s.name for s in known if s.rest_until > now]
    again = [a.job_id for group in held.values() for a in group if a.ordinal > 1]
    failed = sites.failed_at(connection, again)
    names = [s.name for s in known]
    found = {
        id_: sites_to_avoid({name for a in group for name in failed.get(a.job_id, ())}, resting, names)
        for id_, group in held.items()
    }
    return {id_: names for id_, names in found.items() if names}


def _outcome(notice: EventNotice) -> sites.AttemptEnd:
    report: Any = json.loads(notice.report) if notice.report else {}
    runtime = report.get("runtime") or {}
    return sites.AttemptEnd(
        notice.attempt.submission_id,
        notice.failure,
        str(report.get("cause", "")),
        notice.detail,
        str(runtime.get("name", "")),
    )
