"""Planning: everything that can be wrong with a submit is found here, before the first job runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from engine.app.access.needs import NodeServices
from engine.app.access.node_files import NodeFiles
from engine.app.collisions import Names
from engine.app.data.destinations import writable
from engine.app.data.remote import Remote
from engine.app.data.uploads import staging
from engine.app.files import FileResolver
from engine.app.images import pin
from engine.app.option_resolution import resolve_options
from engine.app.requests import SubmitRequest
from engine.domain.options import Options
from engine.errors import BadRequest, EngineError
from engine.planning import (
    CompiledTool,
    Descriptor,
    Expansion,
    InputFile,
    InvocationError,
    Point,
    accounts,
    bosh,
    compile_tool,
    container_requirements,
    expand_points,
    load_descriptor,
    read_invocations,
    result_fields,
)
from engine.ports import Capabilities, Catalogue, Storage
from engine.settings.tree import Settings
from engine.store import descriptors
from engine.store.database import Database
from engine.store.jobs import NewJob
from engine.store.sources import ExecutionSource

BATCH = 200
"""Invocations whose files on storages are looked at together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a submit; its jobs are read from `points` one by one."""

    request: SubmitRequest
    descriptor: Descriptor
    compiled: CompiledTool
    options: Options
    pinned_by: str
    """Who said which image the descriptor means; "" without an image."""
    backend: str
    warnings: tuple[str, ...]
    points: Iterator[Point]
    files: FileResolver
    needs_staging: bool
    """Whether files of this machine are brought to a storage first."""
    offer: NodeServices
    """What nodes can have of the engine."""
    node_files: NodeFiles
    """What nodes can fetch and store."""


@dataclass(slots=True)
class PlannedJob:
    """A checked job: what is stored of it, and what it will look like."""

    new: NewJob
    expansion: Expansion
    sources: Sequence[ExecutionSource] = ()
    """Its files that are not simply paths of the machine where it runs."""


def plan(
    request: SubmitRequest,
    settings: Settings,
    db: Database | None,
    can: Capabilities,
    storage: Callable[[str], Storage],
    catalogues: Sequence[Catalogue],
) -> Plan:
    """Settle everything but the jobs. `db`, when given, spares checking a known descriptor again.

    Raises:
        BadRequest: descriptor, image, container options or runtime cannot be used.
        Unavailable: the registry does not answer.
    """
    given = request.descriptor
    descriptor = (
        given
        if isinstance(given, Descriptor)
        else load_descriptor(given, network=request.network, endpoint=settings.zenodo)
    )
    compiled = compile_tool(descriptor, compat=request.compat, check=not _is_checked(db, descriptor.sha256))
    needs = container_requirements(compiled.tool)
    if needs.errors:
        problems = [f"{descriptor.source}: {line}" for line in needs.errors]
        raise BadRequest(problems[0], problems=problems)
    node_files = NodeFiles(storage, settings.storages)
    stores = request.stores or (settings.data.results if can.needs_staging else ())
    node_files.check_destinations(  # they are settled when there is an execution
        [writable(name, settings, storage)[0] for name in stores], settings.data.replicas
    )
    options = resolve_options(request, compiled.tool, needs, settings, can, descriptor.source)
    asks = can.runs_image or options.runtimes != ["none"]
    pinned = pin(compiled.tool, settings.node, descriptor.source) if asks else None
    offer = NodeServices(settings.api, node_files.needs_presigning)
    return Plan(
        request=request,
        descriptor=descriptor,
        compiled=compiled,
        options=options._replace(image=pinned.image if pinned else None, exchange=offer.exchange),
        pinned_by=pinned.by if pinned else "",
        backend=request.backend or settings.backend,
        warnings=(
            *needs.warnings,
            *accounts.warnings(compiled.tool.command_line, options.runtimes or settings.node.runtimes),
            *(pinned.warnings if pinned else ()),
        ),
        points=(
            read_invocations(request.invocations, compiled.tool, request.sweep)
            if request.points is None
            else iter(request.points)
        ),
        files=FileResolver(
            Remote(storage, catalogues, settings.storages, settings.data.parallel),
            settings.storages,
            partial(_staging, settings, offer, node_files),
            settings.data.travelling,
            understand=request.understand,
            coming=request.coming,
        ),
        needs_staging=can.needs_staging,
        offer=offer,
        node_files=node_files,
    )


def _staging(settings: Settings, offer: NodeServices, node_files: NodeFiles) -> str:
    """Find the storage for files of this machine, from which nodes can fetch them."""
    url = staging(settings)
    node_files.check_source("setting data.staging", url)
    offer.require([url])
    return url


def planned_jobs(plan: Plan) -> Iterator[PlannedJob]:
    """Yield the jobs of a plan, in order, until one cannot run.

    Raises:
        BadRequest: after the last good one; the first problems are told, each with its place.
    """
    tool, files = plan.compiled.tool, plan.files
    names = Names(plan.options.naming)

    def expand(point: Point) -> PlannedJob:
        invocation, wrong = files.resolve(tool, point.invocation)
        expansion = _expand(plan.compiled, invocation, wrong)
        if used := {i.id for i in expansion.inputs if _by_default(i, invocation, files.transforms)}:
            invocation, wrong = files.resolve(tool, point.invocation, used)
            expansion = _expand(plan.compiled, invocation, wrong)
        fields = result_fields(plan.options.naming, tool, expansion.invocation, point)
        number = point.index + 1
        wrong += names.collisions(number, expansion.output_files, fields)
        if wrong:
            raise InvocationError(wrong)
        new = NewJob(
            number,
            invocation,
            point.parameters,
            names=fields,
            needs=point.needs,
            need=point.need,
            step=point.step,
            point=point.place,
        )
        sources = files.sources(expansion.inputs, bring=plan.needs_staging)
        plan.node_files.check_inputs(sources)
        plan.offer.require(url for one in sources for url in (one.url, *one.replicas))
        return PlannedJob(new, expansion, sources)

    return expand_points(_looked_at(plan), expand)


def _looked_at(plan: Plan) -> Iterator[Point]:
    """Yield the points, after their files on storages were looked at, many together."""
    points, trouble = iter(plan.points), None
    while trouble is None:
        some: list[Point] = []
        try:
            some += islice(points, BATCH)
        except EngineError as error:
            trouble = error  # told after what is wrong with the points before
        plan.files.prefetch(plan.compiled.tool, (point.invocation for point in some))
        yield from some
        if not some:
            break
    if trouble is not None:
        raise trouble


def _by_default(one: InputFile, invocation: Mapping[str, Any], understands: bool) -> bool:
    """Say whether it is a file that the descriptor names, and was not looked for yet."""
    if understands:  # nothing that a descriptor says is a path of this machine
        return one.id not in invocation
    return not os.path.isabs(one.source) and (":/" not in one.source or one.id not in invocation)


def _expand(compiled: CompiledTool, invocation: Mapping[str, Any], wrong: list[str]) -> Expansion:
    """Expand an invocation; what is wrong with the rules is reported together with what is wrong with the
    files.
    """
    try:
        return compiled.expand(invocation, stage=True)
    except InvocationError as error:
        raise InvocationError(list(dict.fromkeys([*wrong, *error.problems]))) from None


def validator() -> str:
    """Return who accepts descriptors: noted with each, so that one is checked once and not at every
    submit.
    """
    return f"boutiques {bosh.version()}"


def _is_checked(db: Database | None, sha256: str) -> bool:
    if db is None:
        return False
    with db.read() as connection:
        return descriptors.checked_by(connection, sha256) == validator()


def results_of(request: SubmitRequest, settings: Settings) -> Path:
    """Choose the directory below which the results of an execution go."""
    return (request.results or settings.results).expanduser().absolute()
