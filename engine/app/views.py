"""How stored executions, jobs and results become what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.clock import iso
from engine.domain import shown_states
from engine.domain.job import JobState
from engine.domain.options import SANDBOX
from engine.ids import job_name
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.products import Product
from engine.usecases import ExecutionView, JobView, ProductView
from wrappers import wire


def image_name(image: wire.Image) -> str:
    """Render an image as people see it."""
    if image.url or "@" in image.reference or not image.digest:
        return image.reference
    return f"{image.reference}@{image.digest}"


def of_execution(
    e: Execution,
    counts: Mapping[JobState, int],
    running: int,
    trouble: str = "",
    incomplete: Sequence[str] = (),
    held: str = "",
    dataset: tuple[str, str] = ("", ""),
) -> ExecutionView:
    """Tell an execution; `running` of its active jobs run. `dataset`: see `engine.store.events.dataset`."""
    tally = shown_states.tally(counts, running)
    return ExecutionView(
        id=e.id,
        name=e.name,
        owner=e.owner,
        state=shown_states.of_execution(e.state, tally),
        intent=e.intent,
        backend=e.backend,
        jobs=e.jobs,
        tally=tally,
        results=e.results,
        stores=[p.url for p in e.options.places if not p.door and p.url not in (e.results, SANDBOX)],
        created=iso(e.created_at),
        ended=iso(e.ended_at) if e.ended_at else None,
        seconds=round(e.ended_at - e.created_at, 3) if e.ended_at else None,
        image=image_name(e.options.image) if e.options.image else None,
        trouble=trouble,
        incomplete=incomplete,
        held=held,
        dataset=dataset[0],
        dataset_problem=dataset[1],
    )


def of_job(job: Job, *, runs: bool) -> JobView:
    """Tell a job; `runs`: it has an attempt that runs."""
    return JobView(
        id=job_name(job.execution_id, job.number),
        number=job.number,
        state=shown_states.of_job(job.state, runs=runs),
        attempts=job.attempts,
        failure=job.failure,
        message=job.message,
        exit_code=job.exit_code,
        parameters=job.parameters,
        updated=iso(job.updated_at),
    )


def of_product(p: Product) -> ProductView:
    """Tell a result."""
    return ProductView(p.job_number, p.output_id, p.name, p.url, p.size, p.sha256, p.directory, p.packed)
