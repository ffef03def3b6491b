"""Asking DiracX for other states of jobs: killed, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.search import one_of, search
from engine.errors import CredentialExpired

PATH = "/api/jobs/status"


async def change(client: DiracxClient, ids: Sequence[str], states: Sequence[str]) -> None:
    """Ask for states, one after the other. What cannot be (a job that has ended is not killed any more) the
    server leaves out. A change that is stamped before the last one it drops, without a word: so stamps are
    by its own clock, and who was not changed is asked for once more, later.

    Raises:
        BackendUnavailable, CredentialExpired: as for every request.
    """
    for delay in (0.0, 10.0):
        now = datetime.fromtimestamp(client.server_time() + delay, UTC)
        changes = {
            (now + timedelta(milliseconds=n)).isoformat(): {"Status": state, "Source": "boutiques-engine"}
            for n, state in enumerate(states)
        }
        results = await _change_known(client, ids, changes)
        ids = [id_ for id_ in ids if id_ in results and results[id_].get("Status") != states[-1]]
        if not ids:
            return


async def _change_known(
    client: DiracxClient, ids: Sequence[str], changes: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Change those that are known, and return what has become of each. One job that is no longer there makes
    the server forbid all.
    """
    try:
        answer = await client.request("PATCH", PATH, dict.fromkeys(ids, changes))
    except CredentialExpired:
        found = await search(client, [one_of("JobID", [int(id_) for id_ in ids])], ["JobID"])
        there = [str(row["JobID"]) for row in found.rows]
        if len(there) == len(ids):
            raise
        if not there:
            return {}
        answer = await client.request("PATCH", PATH, dict.fromkeys(there, changes))
    results: Mapping[str, Any] = answer.data.get("success", {})
    return results
