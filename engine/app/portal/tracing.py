"""Who was it: from a job of a back-end, or a host and a time, to the account, the image and the address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.clock import iso
from engine.errors import BadRequest, NotFound
from engine.store import tracing
from engine.store.database import Database
from engine.store.tracing import Trace


def who(db: Database, what: str, time: str = "") -> list[Mapping[str, Any]]:
    """List the attempts of `BACKEND:ID`, or those that ran on a host at a time.

    Raises:
        BadRequest: it is neither.
        NotFound: nothing is known of it.
    """
    if not what.isprintable():
        raise BadRequest("BACKEND:ID or a host and a time are needed")
    backend, colon, native_id = what.partition(":")
    if not time and not (colon and backend and native_id):
        raise BadRequest(
            f"{what}: BACKEND:ID, or a host and a time, are needed",
            remedy="for example dirac:123456, or node7.example.org 2026-03-01T12:00:00Z",
        )
    with db.read() as connection:
        if time:
            found = list(_sorted(tracing.of_host(connection, what, seconds(time))))
        else:
            found = list(_sorted(tracing.of_backend(connection, backend, native_id)))
    if not found:
        raise NotFound(
            f"nothing is known of {what}{' at ' if time else ''}{time}",
            remedy="executions that were purged are in the audit trail only (engine audit list)",
        )
    return found


def seconds(text: str) -> float:
    """Seconds since 1970 of a time as people write it, in UTC where they say nothing else.

    Raises:
        BadRequest: it is none.
    """
    try:
        if text.replace(".", "", 1).isdecimal() and len(text) < 20:
            return float(text)
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadRequest(f"{text}: a time like 2026-03-01T12:00:00Z is needed") from None


def _sorted(found: Iterator[Trace]) -> Iterator[Mapping[str, Any]]:
    for one in found:
        runtime = one.report.get("runtime") or {}
        image = (one.descriptor.get("container-image") or {}).get("image", "")
        yield {
            "account": one.account or one.owner,
            "account_id": one.owner if one.account else "",
            "issuer": one.issuer,
            "subject": one.subject,
            "address": one.address,
            "execution": one.execution_id,
            "pipeline": one.pipeline,
            "job": one.job,
            "attempt": one.attempt,
            "state": one.state,
            "place": f"{one.backend}:{one.native_id}",
            "site": one.site,
            "host": str((one.report.get("host") or {}).get("name", "")),
            "started": iso(one.started),
            "ended": iso(one.ended),
            "image": str(runtime.get("image") or image),
            "digest": str(runtime.get("digest") or ""),
        }
