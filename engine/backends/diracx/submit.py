"""From submissions to jobs: lists of at most twenty descriptions, a few at a time.

A list is taken or refused as a whole. One that is refused is repeated item by item, so that a bad one does
not sink the others. One whose answer did not come may have arrived: its jobs are looked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter

from engine.backends.diracx.answers import DiracxRefused
from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.search import one_of, search
from engine.backends.wms.backend import Described, SubmitOutcome
from engine.backends.wms.jdl import render
from engine.errors import BackendUnavailable, CredentialExpired
from engine.ports import Accepted, Rejected

MOST = 20
"""Jobs that DiracX 0.7 takes in one request (MAX_PARAMETRIC_JOBS in diracx.logic.jobs.submission)."""


async def submit(client: DiracxClient, items: Sequence[Described], at_once: int) -> SubmitOutcome:
    """Hand over each once, if the server lets us."""
    outcome = SubmitOutcome()
    lists = [items[start : start + MOST] for start in range(0, len(items), MOST)]
    for answer in await client.gather([partial(_send, client, some) for some in lists], at_once):
        if isinstance(answer, BackendUnavailable | CredentialExpired):
            outcome.trouble = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            outcome.answers |= answer.answers
            outcome.at = max(outcome.at, answer.at)
    unsure = [item for item in items if item.key not in outcome.answers]
    if isinstance(outcome.trouble, BackendUnavailable):
        await _look_for(client, unsure, outcome)
    return outcome


async def find(client: DiracxClient, group: str, keys: Sequence[str]) -> Mapping[str, list[str]]:
    """Jobs of a group by the names that we gave them, oldest first."""
    filters = [one_of("JobGroup", [group]), one_of("JobName", keys)]
    found: dict[str, list[str]] = {}
    for row in (await search(client, filters, ["JobID", "JobName"])).rows:
        found.setdefault(row["JobName"], []).append(str(row["JobID"]))
    return found


async def _send(client: DiracxClient, items: Sequence[Described]) -> SubmitOutcome:
    try:
        answer = await client.request(
            "POST", "/api/jobs/jdl", [render(item.attributes) for item in items], repeat=False
        )
    except DiracxRefused as error:
        if len(items) == 1:
            return SubmitOutcome({items[0].key: Rejected(f"DiracX refuses it: {error}")})
        outcome = SubmitOutcome()
        for item in items:
            one = await _send(client, [item])
            outcome.answers |= one.answers
            outcome.at = max(outcome.at, one.at)
        return outcome
    ids = [str(row["JobID"]) for row in answer.data or []]
    if len(ids) != len(items):
        raise BackendUnavailable(f"DiracX answered with {len(ids)} jobs to {len(items)} descriptions")
    accepted = {item.key: Accepted(id_) for item, id_ in zip(items, ids, strict=True)}
    return SubmitOutcome(dict(accepted), answer.at)


async def _look_for(client: DiracxClient, unsure: Sequence[Described], outcome: SubmitOutcome) -> None:
    """Return those that arrived although nobody said so; when that cannot be told, they stay without an
    answer.
    """
    for group, some in groupby(sorted(unsure, key=attrgetter("group")), key=attrgetter("group")):
        try:
            found = await find(client, group, [item.key for item in some])
        except (BackendUnavailable, CredentialExpired):
            return
        outcome.answers |= {key: Accepted(ids[0]) for key, ids in found.items()}
