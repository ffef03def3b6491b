"""Planning: everything that can be wrong with a submit is found here, before the first job runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.app.collisions import Names
from engine.app.files import Files
from engine.app.images import pin
from engine.app.requests import SubmitRequest
from engine.domain.options import Options
from engine.domain.tool import Tool
from engine.errors import BadRequest
from engine.planning import (
    CompiledTool,
    Descriptor,
    Expansion,
    InvocationError,
    Point,
    Requirements,
    bosh,
    compile_tool,
    container_requirements,
    load_descriptor,
    place,
    read_invocations,
)
from engine.ports import Capabilities
from engine.settings import Settings
from engine.store import executions
from engine.store.database import Database
from engine.store.jobs import NewJob
from wrappers.wire import Limits

FIRST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a submit would do; its jobs are read from `points` one by one."""

    request: SubmitRequest
    descriptor: Descriptor
    compiled: CompiledTool
    options: Options
    backend: str
    warnings: tuple[str, ...]
    points: Iterator[Point]


@dataclass(slots=True)
class PlannedJob:
    """One job, checked: what is stored of it, and what it will look like."""

    new: NewJob
    expansion: Expansion


@dataclass(slots=True)
class Problems:
    """What is wrong with the invocations: counted all, kept the first."""

    first: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, lines: Sequence[str]) -> None:
        """Note more of them. Points of one sweep break one rule with the same words: once is enough."""
        for line in lines:
            if line not in self.first:
                self.count += 1
                if len(self.first) < FIRST_PROBLEMS:
                    self.first.append(line)

    def raise_if_any(self) -> None:
        """Refuse the whole submit.

        Raises:
            BadRequest: there is at least one problem; all of the first are told.
        """
        if self.count:
            lines = list(self.first)
            if self.count > len(lines):
                lines.append(f"... and {self.count - len(lines)} more")
            raise BadRequest(lines[0], problems=lines)


def plan(request: SubmitRequest, settings: Settings, db: Database | None, can: Capabilities) -> Plan:
    """Settle everything but the jobs. `db`, when given, spares checking a known descriptor again.

    Raises:
        BadRequest: descriptor, image, container options or runtime cannot be used.
        Unavailable: the registry does not answer.
    """
    descriptor = load_descriptor(request.descriptor)
    compiled = compile_tool(descriptor, compat=request.compat, check=not _is_checked(db, descriptor.sha256))
    needs = container_requirements(compiled.tool)
    if needs.errors:
        raise BadRequest(f"{descriptor.source}: {needs.errors[0]}", problems=[*needs.errors])
    return Plan(
        request=request,
        descriptor=descriptor,
        compiled=compiled,
        options=_options(request, compiled.tool, needs, settings, can, descriptor.source),
        backend=request.backend or settings.backend,
        warnings=tuple(needs.warnings),
        points=read_invocations(request.invocations, compiled.tool, request.sweep),
    )


def _options(
    request: SubmitRequest,
    tool: Tool,
    needs: Requirements,
    settings: Settings,
    can: Capabilities,
    source: str,
) -> Options:
    runtimes = _runtimes(request, tool.image is None, can, source)
    workdir = needs.working_directory or (tool.image.working_directory if tool.image else None) or ""
    if runtimes == ["none"] and workdir:
        raise BadRequest(
            f"{source}: container-image.working-directory {workdir} is a place inside of the image",
            remedy="run it in a container",
        )
    return Options(
        image=None if tool.image is None or runtimes == ["none"] else pin(tool.image, settings.node),
        limits=_limits(request, tool, settings),
        runtimes=runtimes,
        root=request.root,
        gpu=needs.gpu,
        workdir=workdir,
        environment=dict(needs.environment),
        compat=request.compat,
        group=request.group,
        naming=request.naming,
    )


def planned_jobs(plan: Plan, problems: Problems) -> Iterator[PlannedJob]:
    """The jobs of a plan, in order. Points that cannot run are told to `problems` and left out."""
    files = Files()
    names = Names(plan.options.naming)
    for point in plan.points:
        if point.problem:
            problems.add([place(point, point.problem)])
            continue
        invocation, wrong = files.settle(plan.compiled.tool, point.invocation)
        try:
            expansion = plan.compiled.expand(invocation, stage=True)
            if used := {i.id for i in expansion.inputs if not os.path.isabs(i.source)}:  # defaults
                invocation, wrong = files.settle(plan.compiled.tool, point.invocation, used)
                expansion = plan.compiled.expand(invocation, stage=True)
        except InvocationError as error:
            wrong += error.problems or (error.message,)
        else:
            wrong += names.collisions(point.index + 1, expansion.output_files)
            if not wrong:
                new = NewJob(point.index + 1, invocation, point.parameters, pending=min(point.stage, 1))
                yield PlannedJob(new, expansion)
        problems.add([place(point, line) for line in wrong])


def validator() -> str:
    """Who accepts descriptors: noted with each, so that one is checked once and not at every submit."""
    return f"boutiques {bosh.version()}"


def _is_checked(db: Database | None, sha256: str) -> bool:
    if db is None:
        return False
    with db.read() as connection:
        return executions.descriptor_checked_by(connection, sha256) == validator()


def _runtimes(request: SubmitRequest, no_image: bool, can: Capabilities, source: str) -> list[str]:
    asked = list(request.runtimes)
    if "none" in asked and asked != ["none"]:
        raise BadRequest("runtime none cannot be one of several: it is never a fallback")
    if asked == ["none"] and not can.allows_no_container:
        raise BadRequest("runtime none is possible on this machine only", remedy="use the local back-end")
    if no_image and asked != ["none"]:
        raise BadRequest(
            f"{source}: no container-image", remedy="add one, or run it on this machine with --runtime none"
        )
    return asked


def _limits(request: SubmitRequest, tool: Tool, settings: Settings) -> Limits:
    wants, usual = tool.resources, settings.limits
    return Limits(
        cores=request.cores or wants.cores or usual.cores,
        memory=request.memory or wants.ram or usual.memory,
        wall=request.wall or wants.walltime or usual.wall,
        disk=wants.disk or usual.disk,
    )


def job_summary(plan: Plan, job: PlannedJob, settings: Settings) -> Mapping[str, Any]:
    """One job as `engine plan` tells it."""
    image = plan.options.image
    return {
        "job": job.new.number,
        "parameters": dict(job.new.parameters),
        "command": job.expansion.command_line,
        "inputs": [{"id": i.id, "from": i.source, "as": i.name} for i in job.expansion.inputs],
        "outputs": [{"id": o.id, "path": o.path, "optional": o.optional} for o in job.expansion.output_files],
        "image": f"{image.reference}@{image.digest}" if image else None,
        "runtimes": list(plan.options.runtimes) or list(settings.node.runtimes),
        "backend": plan.backend,
    }


def results_of(request: SubmitRequest, settings: Settings) -> Path:
    """The directory below which the results of an execution go."""
    return (request.results or settings.results).expanduser().absolute()
