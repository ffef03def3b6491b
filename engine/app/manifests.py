"""From stored rows to the manifest of one attempt. Deterministic: the same rows give the same manifest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from engine.domain.file_urls import to_url
from engine.domain.options import SANDBOX
from engine.domain.tool import Tool
from engine.ids import AttemptId, ExecutionId, job_name
from engine.planning import CompiledTool, Descriptor, InputFile, compile_tool
from engine.reconcile import layout
from engine.store import descriptors, needs, products, sources
from engine.store.database import Database
from engine.store.executions import Execution
from engine.store.jobs import Job
from engine.store.products import Product
from engine.store.sources import ExecutionSource
from wrappers.wire import Input, Manifest, Output, TextFile


class Manifests:
    """Renders manifests, keeping the compiled tools of recent executions."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._compiled = lru_cache(maxsize=64)(self._compile)
        self._has_sources = lru_cache(maxsize=1024)(self._look_for_sources)

    def tool(self, execution: Execution) -> CompiledTool:
        """Compile the descriptor of an execution."""
        return self._compiled(execution.descriptor_sha256, execution.options.compat)

    def make(self, execution: Execution, job: Job, attempt: AttemptId) -> Manifest:
        """Make the manifest of one attempt.

        Raises:
            BadRequest: the stored invocation cannot be expanded (it could when it was submitted).
        """
        options = execution.options
        compiled = self.tool(execution)
        tool = compiled.tool
        expansion = compiled.expand(job.invocation, stage=True)
        inputs = self._inputs(execution, expansion.inputs)
        if job.waits:
            inputs += self._earlier(execution, job)
        first, *others = [layout.attempt_url(p, job.number, attempt) for p in layout.destinations(execution)]
        return Manifest(
            attempt=attempt,
            job=job_name(execution.id, job.number),
            execution=execution.id,
            command=expansion.command_line,
            outputs_to=first,
            shell=tool.shell,
            environment={**expansion.environment, **options.environment},
            invocation=dict(expansion.invocation),
            inputs=inputs,
            files=[TextFile(path, text) for path, text in expansion.config_files.items()],
            outputs=[Output(o.id, o.path, o.optional, o.list) for o in expansion.output_files],
            image=options.image,
            runtimes=list(options.runtimes),
            root=options.root,
            workdir=options.workdir,
            gpu=options.gpu,
            entrypoint=tool.image.entrypoint if tool.image else False,
            limits=options.limits,
            outputs_also=others,
            exchange=options.exchange if _needs_transfers(inputs, [first, *others]) else "",
            transfers=options.transfers,
            network=options.network,
            isolated=options.isolated,
            inside=options.image is not None and options.runtimes == ["none"],
        )

    def _inputs(self, execution: Execution, files: Sequence[InputFile]) -> list[Input]:
        """Return where a job finds its files: at paths of its own machine, or where the sources say."""
        known: dict[str, ExecutionSource] = {}
        if files and self._has_sources(execution.id):
            with self._db.read() as connection:
                known = sources.of(connection, execution.id, [file.source for file in files])
        return [_input(file, known.get(file.source)) for file in files]

    def _earlier(self, execution: Execution, job: Job) -> list[Input]:
        """Return the results of jobs that this one waited for, where their tools wrote them."""
        with self._db.read() as connection:
            steps = needs.read_by(connection, job.id)
            found = [one for one in products.of_jobs(connection, list(steps)) if one.path]
            known = sources.of(connection, execution.id, [one.url for one in found])
        once = {(one.job_id, one.path): one for one in reversed(found)}  # of several outputs, the first
        return [
            _earlier_input(one, steps[one.job_id] + 1, known.get(one.url)) for one in reversed(once.values())
        ]

    def _look_for_sources(self, id_: ExecutionId) -> bool:
        with self._db.read() as connection:  # they are written with the jobs, before any of these runs
            return sources.has_any(connection, id_)

    def describe(self, execution: Execution) -> Tool:
        """Read the descriptor of an execution."""
        return self.tool(execution).tool

    def _compile(self, sha256: str, compat: bool) -> CompiledTool:
        with self._db.read() as connection:
            data = descriptors.data(connection, sha256)
        return compile_tool(
            Descriptor(data=data, sha256=sha256, source=f"descriptor {sha256[:12]}"),
            compat=compat,
            check=False,
        )


def _earlier_input(one: Product, step: int, known: ExecutionSource | None) -> Input:
    if known is not None:
        return _input(InputFile(one.output_id, one.url, one.path), known)._replace(merged=step)
    return Input(
        one.output_id,
        one.url,
        one.path,
        size=one.size,
        sha256=one.sha256,
        packed=one.packed,
        merged=step,
    )


def _needs_transfers(inputs: Sequence[Input], destinations: Sequence[str]) -> bool:
    """Say whether anything comes from or goes to anything but files of the node's machine."""
    urls = [*destinations, *(url for one in inputs for url in (one.url, *one.replicas))]
    return any(not url.startswith(("file:", SANDBOX)) for url in urls)


def _input(file: InputFile, known: ExecutionSource | None) -> Input:
    if known is None:
        return Input(file.id, to_url(Path(file.source)), file.name)
    return Input(
        file.id,
        known.url,
        file.name,
        size=known.size,
        sha256=known.checksums.get("sha256"),
        adler32=known.checksums.get("adler32"),
        md5=known.checksums.get("md5"),
        replicas=list(known.replicas),
        packed=known.packed,
    )
