"""What administrators look at: `/admin/audit` and `/admin/sites`, not of CARMIN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from engine.api.carmin.administrator import TAG, Administrator
from engine.app.health.grid import SiteView
from engine.app.portal.audit import START, AuditTrail
from engine.store.audit import Head

_PAGE = 1000
_PROBLEMS = 1000
_LINES = 10_000
"""Lines of the trail that are verified for one request."""


class HeadModel(BaseModel):
    """The end of the trail at some time."""

    number: Annotated[int, Field(ge=0, lt=2**63)]
    sha256: Annotated[str, Field(max_length=64)]
    signature: Annotated[str, Field(max_length=128)] = ""
    """By the engine, of `audit head NUMBER SHA256`: Ed25519, in base64."""


class SignedHead(HeadModel):
    """The end of the trail now."""

    public_key: str
    """With which the signature is checked, in base64."""
    unsigned: int
    """The line up to which an older engine signed no heads; 0: all were."""


class Traced(BaseModel):
    """An attempt, and who is behind it."""

    account: str
    account_id: str
    issuer: str
    subject: str
    address: str
    execution: str
    pipeline: str
    job: int
    attempt: str
    state: str
    place: str
    site: str
    host: str
    started: str
    ended: str
    image: str
    digest: str


class ExportedHeads(BaseModel):
    """Heads that were exported earlier, which the trail must still contain, and where to begin."""

    heads: Annotated[list[HeadModel], Field(max_length=1000)] = Field(default_factory=list)
    after: HeadModel | None = None
    """The `next` of the verdict before; left out: from the first line."""


class TrailVerdict(BaseModel):
    """The result of checking the trail, or ten thousand lines of it."""

    lines: int
    problems: list[str]
    """A line each, at most a thousand; none: it is whole."""
    next: HeadModel | None
    """Where to go on; null: that was all."""


def trail_routes(
    trail: AuditTrail,
    sites: Callable[[str], Sequence[SiteView]],
    who: Callable[[str, str], Sequence[Mapping[str, Any]]],
) -> APIRouter:
    """`/admin/audit...` and `/admin/sites`."""
    router = APIRouter(prefix="/admin", tags=[TAG])

    @router.get("/audit", response_model=list[dict[str, Any]])
    def lines(
        caller: Administrator,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> list[dict[str, Any]]:
        """List the lines of the audit trail after a number."""
        return [dict(line) for line in islice(trail.lines(after), limit)]

    @router.get("/audit/head", response_model=SignedHead)
    def head(caller: Administrator) -> SignedHead:
        """Return the end of the trail, to be stored on another machine."""
        return SignedHead(**trail.published_head())

    @router.get("/audit/who", response_model=list[Traced])
    def trace(
        caller: Administrator,
        what: Annotated[str, Query(max_length=255)],
        time: Annotated[str, Query(max_length=40)] = "",
    ) -> list[Traced]:
        """Return who is behind a job of a back-end (`BACKEND:ID`), or behind what ran on a host at a time."""
        return [Traced(**one) for one in who(what, time)]

    @router.post("/audit/verify", response_model=TrailVerdict)
    def verify(wanted: ExportedHeads, caller: Administrator) -> TrailVerdict:
        """Find any line that was altered, removed or reordered, some thousand lines at a time."""
        anchors = [Head(one.number, one.sha256, one.signature) for one in wanted.heads]
        at = Head(wanted.after.number, wanted.after.sha256) if wanted.after else START
        found, last = trail.problems_after(at, anchors, _LINES)
        following = HeadModel(number=last.number, sha256=last.sha256) if last else None
        return TrailVerdict(lines=trail.head().number, problems=found[:_PROBLEMS], next=following)

    @router.get("/sites", response_model=list[SiteView])
    def every_site(
        caller: Administrator, backend: Annotated[str, Query(max_length=255)] = ""
    ) -> list[SiteView]:
        """Return where jobs ran, and what worked there."""
        return list(sites(backend if backend.isprintable() else "-"))

    return router
