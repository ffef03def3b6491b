"""The engine's own routes of executions (`/rest/engine`), in its own words: what `engine --server URL` asks.
Who may do what is as for those of CARMIN; jobs are numbered from 1.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, SkipValidation, TypeAdapter, ValidationError

from engine.api.carmin.caller import Caller
from engine.api.long_work import LongWork
from engine.app.application import CHECKED
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.executor_settings import ExecutorSettings
from engine.app.portal.given_jobs import GivenJob
from engine.app.portal.launch_options import LaunchOptions
from engine.app.portal.launch_request import LaunchRequest
from engine.app.portal.launching import Launcher
from engine.app.portal.shown_executions import ShownExecutions
from engine.domain.account import Account
from engine.domain.job import FINAL, JobState
from engine.domain.shown_states import ShownJobState
from engine.usecases import CheckedView, ExecutionView, JobHistory, JobView, ProductView

LISTED, LIMIT = 100, 500
"""Executions, and jobs or results, of one page at most."""
JOBS = 100_000
"""Jobs of one request at most, and files that would be uploaded: reading more would hold up others."""
_THREADS = 8
"""For each kind of work that may take long."""
PLANNED = 10_000
"""Jobs that a plan shows at most."""
_LARGEST = 2**31 - 1
_OFFSETS = 10**12
Limit = Annotated[int, Query(ge=1, le=LIMIT)]
After = Annotated[int, Query(ge=0, le=2**62, description="`next` of the page before.")]


class NewGivenJob(BaseModel):
    """A job: its values, and the ids of those that are its parameters."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, Any] = Field(default_factory=dict)
    parameters: list[str] = Field(default_factory=list, max_length=10_000)
    repeat: int | None = Field(default=None, ge=1, le=_LARGEST)
    stage: int = Field(default=0, ge=0, le=1)
    """Of older clients: a job of 1 waits for all jobs of 0."""
    step: int = Field(default=0, ge=0, le=1000)
    point: dict[str, str] = Field(default_factory=dict, max_length=10)
    needs: list[int] = Field(default_factory=list, max_length=JOBS)
    need: str = Field(default="all", max_length=16)


class OptionsModel(BaseModel):
    """The options of jobs; what is left out is as the platform has it, and nobody gets more than that."""

    model_config = ConfigDict(extra="forbid")

    runtimes: list[str] = Field(default_factory=list, max_length=10)
    cores: int | None = Field(default=None, ge=1, le=_LARGEST)
    memory: int | None = Field(default=None, ge=1, le=2**62)
    wall: float | None = Field(default=None, ge=0.001, le=_LARGEST)
    group: int = Field(default=1, ge=1, le=1000)
    read_only: bool = False
    results_name: str | None = Field(default=None, max_length=1000)


class NewOwnExecution(BaseModel):
    """A request to run a pipeline (`name/version`, or a DOI), or a descriptor, over values in which a list
    for an input that is no list makes many jobs, or over `jobs` that are given one by one.
    """

    model_config = ConfigDict(extra="forbid")

    pipeline: str = Field(default="", max_length=1000)
    descriptor: dict[str, Any] | None = None
    values: dict[str, Any] = Field(default_factory=dict)
    jobs: Annotated[list[NewGivenJob] | None, SkipValidation] = None
    """Looked at apart (`_given_jobs`): there may be many."""
    options: OptionsModel = Field(default_factory=OptionsModel)
    title: str = Field(max_length=1000)
    results: str = Field(default="", max_length=10_000)
    key: str | None = Field(default=None, pattern=r"^[0-9A-Za-z_.-]{1,100}$")


class NewPlan(NewOwnExecution):
    """A request for a plan: the same fields, and nothing is run."""

    coming: list[str] = Field(default_factory=list, max_length=JOBS, fail_fast=True)
    """Files of the virtual tree that would be uploaded first."""


class SubmittedView(BaseModel):
    """An execution that was asked for; `new` is false when it was submitted before by the same key."""

    execution: ExecutionView
    new: bool
    warnings: list[str]


class PlannedJobs(BaseModel):
    """Each job as it would run."""

    jobs: list[dict[str, Any]]
    warnings: list[str]


class DescriptorView(BaseModel):
    """A Boutiques descriptor."""

    descriptor: dict[str, Any]


class Retried(BaseModel):
    """Which jobs are tried again: those in these states, all or one."""

    model_config = ConfigDict(extra="forbid")

    states: list[JobState] = Field(default=[JobState.FAILED, JobState.CANCELLED], max_length=10)
    number: int | None = Field(default=None, ge=0, le=_LARGEST)


class RequestView(BaseModel):
    """Pipeline and values with which an execution was asked for."""

    pipeline: str
    values: dict[str, Any]


class JobViews(BaseModel):
    """Some jobs, and where the next ones begin."""

    items: list[JobView]
    next: int | None


class ProductViews(BaseModel):
    """Some results, and where the next ones begin."""

    items: list[ProductView]
    next: int | None


class CheckRequest(BaseModel):
    """Which results are looked for, and whether their checksums are compared too."""

    model_config = ConfigDict(extra="forbid")

    deep: bool = False
    after: int = Field(default=0, ge=0, le=2**62)
    limit: int = Field(default=CHECKED, ge=1, le=CHECKED)


class CheckedViews(BaseModel):
    """Some results as they were found, and where the next ones begin."""

    items: list[CheckedView]
    next: int | None


class Asked(BaseModel):
    """Whether it was asked for; false when the execution was over already."""

    asked: bool


class Count(BaseModel):
    """The number of jobs that are tried again."""

    jobs: int


_JOBS = TypeAdapter(Annotated[list[NewGivenJob], Field(min_length=1, max_length=JOBS, fail_fast=True)])


def _given_jobs(jobs: Any) -> list[GivenJob]:
    try:
        found = _JOBS.validate_python(jobs)
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestValidationError([{**first, "loc": ("body", "jobs", *first["loc"])}]) from None
    before = [number for number, one in enumerate(found, 1) if not one.stage]
    return [_given_job(one, before) for one in found]


def _given_job(one: NewGivenJob, before: list[int]) -> GivenJob:
    values = dict(one)
    if values.pop("stage"):
        values |= {"needs": before, "step": 1}
    return GivenJob(**values)


def _asked(
    launcher: Launcher, caller: Account, wanted: NewOwnExecution, *, address: str = ""
) -> LaunchRequest:
    descriptor, pipeline = wanted.descriptor, wanted.pipeline
    if descriptor is not None and (published := launcher.descriptors.published_as(caller, descriptor)):
        descriptor, pipeline = None, published
    jobs = None if wanted.jobs is None else _given_jobs(wanted.jobs)
    return LaunchRequest(
        name=wanted.title,
        pipeline=pipeline,
        descriptor=descriptor,
        values=wanted.values,
        location=wanted.results,
        key=wanted.key,
        address=address,
        jobs=jobs,
        options=LaunchOptions(**dict(wanted.options)),
    )


def own_routes(launcher: Launcher, shown: ShownExecutions) -> APIRouter:
    """Make the routes `/engine/executions...`."""
    router = APIRouter(prefix="/engine", tags=["the engine's own"])
    submits = LongWork("submits", threads=_THREADS, each=_THREADS // 2)
    plans = LongWork("plans", threads=_THREADS, each=2)
    checks = LongWork("checks of results", threads=_THREADS, each=1)

    @router.get("/executions", response_model=list[ExecutionView])
    def newest(
        caller: Caller,
        limit: Annotated[int, Query(ge=1, le=LISTED)] = 20,
        before: Annotated[str, Query(pattern="^[0-9A-Za-z]{0,26}$")] = "",
        starting: Annotated[str, Query(pattern="^[0-9A-Za-z]{0,26}$")] = "",
    ) -> list[ExecutionView]:
        """List the caller's executions, newest first: older than an id, or with ids that begin so."""
        return shown.newest(caller, limit=limit, before=before.upper(), starting=starting.upper())

    @router.get("/descriptor", response_model=DescriptorView)
    def descriptor(caller: Caller, pipeline: Annotated[str, Query(max_length=1000)]) -> DescriptorView:
        """Return the descriptor of a pipeline that one may launch, or of a DOI."""
        return DescriptorView(descriptor=dict(launcher.descriptors.data(caller, pipeline)))

    @router.post("/executions", response_model=SubmittedView)
    async def create(wanted: NewOwnExecution, caller: Caller, request: Request) -> SubmittedView:
        """Start an execution. Twice with one key is once. A descriptor that is published here is launched as
        that pipeline.
        """
        address = request.client.host if request.client else ""

        def submitted() -> SubmittedView:
            made = launcher.submit(caller, _asked(launcher, caller, wanted, address=address))
            execution = shown.of(caller, made.launch)
            return SubmittedView(execution=execution, new=made.new, warnings=list(made.warnings))

        return await submits.do(caller.id, submitted)

    @router.post("/plan", response_model=PlannedJobs)
    async def plan(wanted: NewPlan, caller: Caller) -> Response:
        """Show each job as it would run; nothing is started."""

        def planned() -> Response:
            asked = _asked(launcher, caller, wanted)
            most = ExecutorSettings(jobs=PLANNED)
            jobs, warnings = launcher.plan(caller, replace(asked, coming=wanted.coming, settings=most))
            made = PlannedJobs(jobs=[dict(one) for one in jobs], warnings=list(warnings))
            return Response(made.model_dump_json(), media_type="application/json")

        return await plans.do(caller.id, planned)

    @router.get("/executions/{id_}", response_model=ExecutionView)
    def status(id_: str, caller: Caller) -> ExecutionView:
        """Show how an execution stands."""
        return shown.execution(caller, id_)

    @router.get("/executions/{id_}/request", response_model=RequestView)
    def request(id_: str, caller: Caller) -> RequestView:
        """Tell what was asked for; no pipeline: a descriptor of its user's own."""
        found = shown.request(caller, id_)
        return RequestView(pipeline=found.pipeline, values=dict(found.inputs))

    @router.get("/executions/{id_}/jobs", response_model=JobViews)
    def jobs(
        id_: str,
        caller: Caller,
        after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
        limit: Limit = 100,
        state: Annotated[list[ShownJobState] | None, Query(max_length=10)] = None,
    ) -> JobViews:
        """List a page of its jobs, by number."""
        some, following = shown.jobs(caller, id_, state or (), after=after, limit=limit)
        return JobViews(items=some, next=following)

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

    @router.post("/executions/{id_}/check", response_model=CheckedViews)
    async def check(id_: str, caller: Caller, wanted: CheckRequest | None = None) -> CheckedViews:
        """Look whether a page of its results are where they were put; what has a copy is mended from it."""
        page = wanted or CheckRequest()

        def checked() -> CheckedViews:
            some, following = shown.check(caller, id_, deep=page.deep, after=page.after, limit=page.limit)
            return CheckedViews(items=some, next=following)

        return await checks.do(caller.id, checked)

    @router.post("/executions/{id_}/cancel", response_model=Asked)
    def cancel(id_: str, caller: Caller) -> Asked:
        """Ask for its end."""
        return Asked(asked=shown.cancel(caller, id_))

    @router.post("/executions/{id_}/pause", response_model=Asked)
    def pause(id_: str, caller: Caller) -> Asked:
        """Start nothing new of it until it is resumed; what its back-end has accepted goes on."""
        return Asked(asked=shown.pause(caller, id_))

    @router.post("/executions/{id_}/resume", response_model=Asked)
    def resume(id_: str, caller: Caller) -> Asked:
        """Let it go on."""
        return Asked(asked=shown.resume(caller, id_))

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
