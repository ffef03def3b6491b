"""The engine's own routes of executions (`/rest/engine`), in its own words: what `engine --server URL` asks.
Who may do what is as for those of CARMIN; jobs are numbered from 1.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from engine.api.carmin.caller import Caller
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.launching import Launcher, LaunchRequest
from engine.app.portal.shown_executions import ShownExecutions
from engine.domain.job import FINAL, JobState
from engine.usecases import ExecutionView, JobHistory, JobView, ProductView

LISTED, LIMIT = 100, 500
"""Executions, and jobs or results, of one page at most."""
_LARGEST = 2**31 - 1
_OFFSETS = 10**12
Limit = Annotated[int, Query(ge=1, le=LIMIT)]
After = Annotated[int, Query(ge=0, le=2**62, description="`next` of the page before.")]


class NewOwnExecution(BaseModel):
    """What is to run: a pipeline (`name/version`, or a DOI), or a descriptor."""

    model_config = ConfigDict(extra="forbid")

    pipeline: str = Field(default="", max_length=1000)
    descriptor: dict[str, Any] | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    title: str = Field(max_length=1000)
    results: str = Field(default="", max_length=10_000)
    key: str | None = Field(default=None, pattern=r"^[0-9A-Za-z_.-]{1,100}$")


class Retried(BaseModel):
    """Which jobs are tried again: those in these states, all or one."""

    model_config = ConfigDict(extra="forbid")

    states: list[JobState] = Field(default=[JobState.FAILED, JobState.CANCELLED], max_length=10)
    number: int | None = Field(default=None, ge=0, le=_LARGEST)


class JobViews(BaseModel):
    """Some jobs, and where the next ones begin."""

    items: list[JobView]
    next: int | None


class ProductViews(BaseModel):
    """Some results, and where the next ones begin."""

    items: list[ProductView]
    next: int | None


class Asked(BaseModel):
    """Whether the end was asked for; false when it was over already."""

    asked: bool


class Count(BaseModel):
    """How many jobs are tried again."""

    jobs: int


def own_routes(launcher: Launcher, shown: ShownExecutions) -> APIRouter:
    """Make the routes `/engine/executions...`."""
    router = APIRouter(prefix="/engine", tags=["the engine's own"])

    @router.get("/executions", response_model=list[ExecutionView])
    def newest(
        caller: Caller,
        limit: Annotated[int, Query(ge=1, le=LISTED)] = 20,
        before: Annotated[str, Query(pattern="^[0-9A-Za-z]{0,26}$")] = "",
        starting: Annotated[str, Query(pattern="^[0-9A-Za-z]{0,26}$")] = "",
    ) -> list[ExecutionView]:
        """List the caller's executions, newest first: older than an id, or with ids that begin so."""
        return shown.newest(caller, limit=limit, before=before.upper(), starting=starting.upper())

    @router.post("/executions", response_model=ExecutionView)
    def create(wanted: NewOwnExecution, caller: Caller, request: Request) -> ExecutionView:
        """Start an execution. Twice with one key is once."""
        asked = LaunchRequest(
            name=wanted.title,
            pipeline=wanted.pipeline,
            descriptor=wanted.descriptor,
            values=wanted.values,
            location=wanted.results,
            key=wanted.key,
            address=request.client.host if request.client else "",
        )
        return shown.of(caller, launcher.launch(caller, asked))

    @router.get("/executions/{id_}", response_model=ExecutionView)
    def status(id_: str, caller: Caller) -> ExecutionView:
        """Show how an execution stands."""
        return shown.execution(caller, id_)

    @router.get("/executions/{id_}/jobs", response_model=JobViews)
    def jobs(
        id_: str,
        caller: Caller,
        after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
        limit: Limit = 100,
        state: Annotated[list[JobState] | None, Query(max_length=10)] = None,
    ) -> JobViews:
        """List a page of its jobs, by number."""
        some = shown.jobs(caller, id_, state or (), after=after, limit=limit)
        return JobViews(items=some, next=some[-1].number if len(some) == limit else None)

    @router.get("/executions/{id_}/jobs/{number}", response_model=JobView)
    def job(id_: str, number: int, caller: Caller) -> JobView:
        """Show one job."""
        return shown.job(caller, id_, number)

    @router.get("/executions/{id_}/jobs/{number}/history", response_model=JobHistory)
    def history(id_: str, number: int, caller: Caller) -> dict[str, Any]:
        """Tell what happened to a job."""
        return asdict(shown.history(caller, id_, number))

    @router.get(
        "/executions/{id_}/jobs/{number}/log",
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}},
    )
    def log(
        id_: str,
        number: int,
        caller: Caller,
        stream: Literal["out", "err", "debug"] = "out",
        attempt: Annotated[int, Query(ge=1, le=_LARGEST)] = 1,
        offset: Annotated[int, Query(ge=0, le=_OFFSETS)] = 0,
    ) -> Response:
        """Read a piece of what an attempt of a job printed, from an offset on; empty at its end. `debug`,
        what a defect of the engine left, is for administrators.
        """
        if stream == "debug" and not caller.is_admin:
            raise CarminError(Code.GENERIC, "what a defect of the engine left is for administrators")
        piece = shown.log(caller, id_, number, stream, attempt, offset)
        return Response(piece, media_type="application/octet-stream")

    @router.get("/executions/{id_}/results", response_model=ProductViews)
    def results(id_: str, caller: Caller, after: After = 0, limit: Limit = 100) -> ProductViews:
        """List a page of its results, in the order in which they came."""
        some, following = shown.results(caller, id_, after=after, limit=limit)
        return ProductViews(items=some, next=following)

    @router.post("/executions/{id_}/cancel", response_model=Asked)
    def cancel(id_: str, caller: Caller) -> Asked:
        """Ask for its end."""
        return Asked(asked=shown.cancel(caller, id_))

    @router.post("/executions/{id_}/retry", response_model=Count)
    def retry(id_: str, caller: Caller, wanted: Retried | None = None) -> Count:
        """Try again what has failed or was cancelled."""
        wanted = wanted or Retried()
        if not FINAL - {JobState.SUCCEEDED} >= set(wanted.states):
            raise CarminError(
                Code.BAD_INPUT, "states: only failed, cancelled and skipped jobs are tried again"
            )
        return Count(jobs=shown.retry(caller, id_, wanted.states, wanted.number))

    return router
