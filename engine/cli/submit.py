"""`engine submit`: from a descriptor and its invocations to results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import foreground, show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.app.requests import SubmitRequest

Descriptor = Annotated[str, typer.Argument(help="Boutiques descriptor: a file, zenodo.N, or a DOI.")]
Invocations = Annotated[
    list[str],
    typer.Argument(help="Invocations: JSON (one, or an array), .jsonl, a directory, several files, -."),
]
Results = Annotated[Path | None, typer.Option(help="Directory for results (default: ./results).")]
Backend = Annotated[str | None, typer.Option(help="Where to run (default: from the settings).")]
Key = Annotated[str | None, typer.Option(help="Your own key: submitting twice with it is submitting once.")]
Runtime = Annotated[
    list[str] | None,
    typer.Option(help="Container runtime, in order when repeated; `none` runs without a container."),
]
Cores = Annotated[int | None, typer.Option(min=1, help="Cores of each job.")]
Memory = Annotated[str | None, typer.Option(help="Memory of each job, e.g. 4G.")]
Wall = Annotated[float | None, typer.Option(min=0.001, help="Seconds that each job may run.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="The tool never writes to the image's root.")]
Naming = Annotated[str, typer.Option(help="Name of each result, from {job} and {path}.")]
Compat = Annotated[bool, typer.Option("--bosh-compat", help="The reference library's text rules.")]


def command(
    descriptor: Descriptor,
    invocations: Invocations,
    results: Results = None,
    backend: Backend = None,
    key: Key = None,
    runtime: Runtime = None,
    cores: Cores = None,
    memory: Memory = None,
    wall: Wall = None,
    read_only: ReadOnly = False,
    naming: Naming = "",
    bosh_compat: Compat = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; a background engine goes on.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the jobs; submit nothing.")] = False,
    json: Json = False,
) -> None:
    """Run a tool over invocations, to the end, and say where the results are."""
    asked = request(
        descriptor,
        invocations,
        results,
        backend,
        key,
        runtime,
        cores,
        memory,
        wall,
        read_only,
        naming,
        bosh_compat,
    )
    engine = session.engine
    planned = engine.app.plan(asked)
    for line in planned.warnings:
        show.say(f"engine: warning: {line}")
    if dry_run:
        for job in engine.app.dry_run(planned):
            show.json_line(job)
        return
    view, new = engine.app.submit(planned)
    if not new:
        show.say(f"engine: key {key} was submitted before, as {view.id}")
    if detach:
        foreground.detach(session.config)
        show.json_line(view) if json else print(view.id)
        show.say(f"engine: {view.jobs} jobs go on in the background; engine status --watch {view.id}")
        return
    raise typer.Exit(foreground.run(engine, view, json=json))


def request(
    descriptor: str,
    invocations: list[str],
    results: Path | None,
    backend: str | None,
    key: str | None,
    runtime: list[str] | None,
    cores: int | None,
    memory: str | None,
    wall: float | None,
    read_only: bool,
    naming: str,
    compat: bool,
) -> SubmitRequest:
    """The same options of `submit` and `plan` as one request.

    Raises:
        BadRequest: an option has no meaning.
    """
    from engine.app.requests import SubmitRequest
    from engine.cli.amounts import bytes_of
    from engine.errors import BadRequest

    if naming and "{path}" not in naming:
        raise BadRequest("--naming: {path} is needed in it", remedy="for example {job}/{path}")
    return SubmitRequest(
        descriptor=descriptor,
        invocations=tuple(invocations),
        backend=backend,
        results=results,
        key=key,
        runtimes=tuple(runtime or ()),
        root="readonly" if read_only else "",
        cores=cores,
        memory=bytes_of(memory, "--memory") if memory else None,
        wall=wall,
        naming=naming,
        compat=compat,
    )
