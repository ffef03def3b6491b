"""`engine expand`: what every job would run, as JSON lines; nothing is submitted and no file is looked at."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.option_decorator import with_options
from engine.cli.session import DescriptorArgument, InvocationsArgument, NetworkOption, load_descriptor
from engine.cli.sweep_options import sweep_from

if TYPE_CHECKING:
    from engine.planning import CompiledTool, Expansion, Point, Sweep


@with_options(sweep_from)
def command(
    sweep: Sweep,
    descriptor: DescriptorArgument,
    invocations: InvocationsArgument = None,
    staged: Annotated[
        bool, typer.Option("--staged", help="Show each job as it runs: files under their bare names.")
    ] = False,
    bosh_compat: Annotated[bool, typer.Option("--bosh-compat", help="Show bosh's own text.")] = False,
    network: NetworkOption = False,
) -> None:
    """Print one JSON object per job: its command line, output files, inputs, or what is wrong with it."""
    from engine.planning import compile_tool, read_invocations

    compiled = compile_tool(load_descriptor(descriptor, network=network), compat=bosh_compat)
    points = read_invocations(invocations or [], compiled.tool, sweep)
    failed = _print(compiled, points, staged=staged, flush="-" in (invocations or []))
    if failed:
        raise typer.Exit(2)


def _print(compiled: CompiledTool, points: Iterator[Point], *, staged: bool, flush: bool) -> int:
    """Write a line for each point; answer with the number of those that are wrong."""
    failed = 0
    for point in points:
        line = expanded(compiled, point, staged=staged)
        failed += "error" in line
        sys.stdout.write(json.dumps(line, ensure_ascii=True) + "\n")
        if flush:  # whoever feeds us line by line waits for the answer
            sys.stdout.flush()
    return failed


def expanded(compiled: CompiledTool, point: Point, *, staged: bool) -> dict[str, Any]:
    """Make the line for one point: its expansion, or `error`."""
    from engine.planning import InvocationError

    problem = point.problem
    if not problem:
        try:
            return _line(point, compiled.expand(point.invocation, stage=staged))
        except InvocationError as error:
            problem = error.message
    return {"index": point.index, "error": f"{point.where}, {problem}"}


def _line(point: Point, expansion: Expansion) -> dict[str, Any]:
    return {
        "index": point.index,
        "invocation": expansion.invocation,
        "command_line": expansion.command_line,
        "output_files": {file.id: file.path for file in expansion.output_files},
        "config_files": expansion.config_files,
        "environment": expansion.environment,
        "inputs": [file._asdict() for file in expansion.inputs],
    }
