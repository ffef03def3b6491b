"""What the engine tells of executions and jobs: plain values that become JSON as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from engine.clock import iso
from engine.domain.job import JobState
from engine.domain.options import SANDBOX
from engine.ids import job_name
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.products import Product
from wrappers import wire


def image_name(image: wire.Image) -> str:
    """Render an image as people see it."""
    if image.url or "@" in image.reference or not image.digest:
        return image.reference
    return f"{image.reference}@{image.digest}"


@dataclass(frozen=True, slots=True)
class ExecutionView:
    """An execution as it is told."""

    id: str
    name: str
    owner: str
    state: str
    intent: str
    backend: str
    jobs: int
    tally: Mapping[str, int]
    """Jobs by state; states without a job are left out."""
    results: str
    """URL of the directory of logs and provenance, and of results that are on no storage."""
    stores: Sequence[str]
    """URLs of the storages that results go to, in order; none: the directory above."""
    created: str
    ended: str | None
    seconds: float | None
    """From its creation to its end."""
    image: str | None
    trouble: str = ""
    """Why nothing moves at the moment, when a service is down."""

    @property
    def finished(self) -> int:
        """Jobs that are final."""
        return sum(n for state, n in self.tally.items() if JobState(state).is_final)


def of_execution(e: Execution, counts: Mapping[JobState, int], trouble: str = "") -> ExecutionView:
    """Tell an execution."""
    return ExecutionView(
        id=e.id,
        name=e.name,
        owner=e.owner,
        state=e.state,
        intent=e.intent,
        backend=e.backend,
        jobs=e.jobs,
        tally={str(state): n for state, n in counts.items() if n},
        results=e.results,
        stores=[p.url for p in e.options.places if not p.door and p.url not in (e.results, SANDBOX)],
        created=iso(e.created_at),
        ended=iso(e.ended_at) if e.ended_at else None,
        seconds=round(e.ended_at - e.created_at, 3) if e.ended_at else None,
        image=image_name(e.options.image) if e.options.image else None,
        trouble=trouble,
    )


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it is told."""

    id: str
    number: int
    state: str
    attempts: int
    failure: str
    message: str
    exit_code: int | None
    parameters: Mapping[str, Any]
    updated: str


def of_job(job: Job) -> JobView:
    """Tell a job."""
    return JobView(
        id=job_name(job.execution_id, job.number),
        number=job.number,
        state=job.state,
        attempts=job.attempts,
        failure=job.failure,
        message=job.message,
        exit_code=job.exit_code,
        parameters=job.parameters,
        updated=iso(job.updated_at),
    )


@dataclass(frozen=True, slots=True)
class ProductView:
    """A result as it is told."""

    job: int
    output: str
    name: str
    url: str
    size: int
    sha256: str
    directory: bool
    packed: bool = False
    """A directory that is kept as a tar."""


def of_product(p: Product) -> ProductView:
    """Tell a result."""
    return ProductView(p.job_number, p.output_id, p.name, p.url, p.size, p.sha256, p.directory, p.packed)


def within_others(products: Collection[ProductView]) -> set[str]:
    """Names of those results of a job that lie in a directory which is a result of it too."""
    directories = {one.name for one in products if one.directory}
    return {
        one.name
        for one in products
        if any(above.as_posix() in directories for above in PurePosixPath(one.name).parents)
    }
