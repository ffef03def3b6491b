"""What `submit` and `plan` have in common: the options that make a request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.option_decorator import with_options
from engine.cli.session import DescriptorArgument, InvocationsArgument, NetworkOption, RuntimeOption
from engine.cli.sweep_options import sweep_from
from engine.cli.units import bytes_of

if TYPE_CHECKING:
    from engine.app.requests import SubmitRequest
    from engine.planning import Sweep


@with_options(sweep_from)
def request(
    sweep: Sweep,
    descriptor: DescriptorArgument,
    invocations: InvocationsArgument = None,
    results: Annotated[Path | None, typer.Option(help="Directory for results (default: ./results).")] = None,
    store: Annotated[
        list[str] | None,
        typer.Option(help="Keep results there: a storage of the settings, NAME:PATH or a URL; repeatable."),
    ] = None,
    backend: Annotated[str | None, typer.Option(help="Where to run (default: from the settings).")] = None,
    key: Annotated[
        str | None, typer.Option(help="Your own key: submitting twice with it is submitting once.")
    ] = None,
    runtime: RuntimeOption = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores of each job.")] = None,
    memory: Annotated[str | None, typer.Option(help="Memory of each job, e.g. 4G.")] = None,
    wall: Annotated[float | None, typer.Option(min=0.001, help="Seconds that each job may run.")] = None,
    group: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Short jobs that share one job of the grid, one after the other."),
    ] = 1,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="The tool never writes to the image's root.")
    ] = False,
    results_name: Annotated[
        str | None,
        typer.Option(
            help="Name of each result, from {path}, {name}, {job}, {run}, {parameters}, {input.ID}."
        ),
    ] = None,
    bosh_compat: Annotated[
        bool, typer.Option("--bosh-compat", help="The reference library's text rules.")
    ] = False,
    network: NetworkOption = False,
) -> SubmitRequest:
    """Gather the options of `submit` and `plan` as one value.

    Raises:
        BadRequest: an option has no meaning.
    """
    from engine.app.requests import SubmitRequest

    return SubmitRequest(
        descriptor=descriptor,
        invocations=tuple(invocations or ()),
        sweep=sweep,
        backend=backend,
        results=results,
        stores=tuple(store or ()),
        key=key,
        runtimes=tuple(runtime or ()),
        root="readonly" if read_only else "",
        cores=cores,
        memory=bytes_of(memory, "--memory") if memory else None,
        wall=wall,
        group=group,
        results_name=results_name,
        compat=bosh_compat,
        network=network,
    )
