"""Jobs one by one, and how the platform stands: for the page to watch, and for whoever wants to know more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from engine.api.carmin.caller import Caller
from engine.app.portal.carmin import CarminError, Code, job_states, job_status
from engine.app.portal.launches import Launches
from engine.clock import iso
from engine.domain.access import Action
from engine.errors import NotFound
from engine.store.jobs import Job
from engine.store.status_queries import JobRow

Status = Literal["QUEUED", "RUNNING", "COMPLETED", "ERROR", "CANCELLED"]


class JobLine(BaseModel):
    """A job in a list."""

    number: int
    status: str
    attempts: int
    exitCode: int | None
    exitMessage: str | None
    parameters: dict[str, Any]
    updated: str


class JobPage(BaseModel):
    """Some jobs, and where the next ones begin."""

    jobs: list[JobLine]
    next: int | None


class NodePhase(BaseModel):
    """A step of a node, with its duration."""

    name: str
    seconds: float


class EventModel(BaseModel):
    """An event of a job."""

    at: str
    message: str


class JobDetail(JobLine):
    """A job with all that happened to it."""

    phases: list[NodePhase]
    history: list[EventModel]


class BackendLoad(BaseModel):
    """The load of a back-end."""

    name: str
    active: int
    ready: int


class PlatformHealth(BaseModel):
    """The state of the platform."""

    backends: list[BackendLoad]
    trouble: str


def job_routes(launches: Launches) -> APIRouter:
    """`/executions/{id}/jobs`, and `/health`."""
    router = APIRouter(tags=["jobs (not of CARMIN)"])

    @router.get("/executions/{id_}/jobs", response_model=JobPage)
    def page(
        id_: str,
        caller: Caller,
        after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        status: Status | None = None,
    ) -> Response:
        """List a page of jobs, with what tells each from the others. `after`: `next` of the page before."""
        found = launches.find(caller, id_, Action.READ)
        states = job_states(status) if status else ()
        some = launches.page(found, states, after=after, most=limit)
        lines = [_line(one) for one in some]
        made = JobPage(jobs=lines, next=some[-1].number if len(some) == limit else None)
        return Response(made.model_dump_json(), media_type="application/json")

    @router.get("/executions/{id_}/jobs/{number}", response_model=JobDetail)
    def one(id_: str, number: int, caller: Caller) -> JobDetail:
        """Return a job with its history; jobs are counted from 0."""
        found = launches.find(caller, id_, Action.READ)
        try:
            job, history, report = launches.history(found, number + 1)
        except (NotFound, OverflowError):
            raise CarminError(Code.GENERIC, f"this execution has no job {number}") from None
        return JobDetail(
            **_line(job).model_dump(),
            phases=[_phase(each) for each in report.get("phases", [])],
            history=[EventModel(at=each["at"], message=each["message"]) for each in history],
        )

    @router.get("/health", response_model=PlatformHealth)
    def health(caller: Caller) -> PlatformHealth:
        """Return how much runs and waits at each back-end, and why nothing moves, if so."""
        backends = [
            BackendLoad(name=name, active=active, ready=ready)
            for name, (active, ready) in sorted(launches.backends().items())
        ]
        return PlatformHealth(backends=backends, trouble=launches.trouble() if caller.is_admin else "")

    return router


def _line(one: Job | JobRow) -> JobLine:
    return JobLine(
        number=one.number - 1,
        status=job_status(one.state),
        attempts=one.attempts,
        exitCode=one.exit_code,
        exitMessage=one.message or one.failure or None,
        parameters=dict(one.parameters),
        updated=iso(one.updated_at),
    )


def _phase(one: Mapping[str, Any]) -> NodePhase:
    return NodePhase(name=str(one["name"]), seconds=float(one.get("seconds", 0.0)))
