"""`engine test`: run the tests that a descriptor brings along."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from engine.cli import show
from engine.cli.session import (
    DescriptorArgument,
    Json,
    NetworkOption,
    RuntimeOption,
    load_descriptor,
    session,
)

if TYPE_CHECKING:
    from engine.domain.tool import Tool, ToolTest
    from engine.planning.selftests import ToolTestOutcome

Runner = Callable[["ToolTest"], "ToolTestOutcome"]
"""Runs the tool on a test's invocation."""


def command(
    descriptor: DescriptorArgument,
    runtime: RuntimeOption = None,
    network: NetworkOption = False,
    json: Json = False,
) -> None:
    """Run the descriptor's own tests: exit codes and md5 sums. Exit code 1 when one fails."""
    from engine.errors import BadRequest
    from engine.planning import compile_tool

    tool = compile_tool(load_descriptor(descriptor, network=network)).tool
    if not tool.tests:
        raise BadRequest(f"{descriptor}: it has no tests")
    with tempfile.TemporaryDirectory(prefix="engine-test-") as directory:
        failed = 0
        for name, problems in results(tool, runner(descriptor, tuple(runtime or ()), Path(directory))):
            failed += bool(problems)
            if json:
                show.json_line({"test": name, "passed": not problems, "problems": problems})
                continue
            print(f"{'failed' if problems else 'passed'}  {show.cell(name)}")
            for problem in problems:
                print(f"        {show.cell(problem)}")
    if failed:
        raise typer.Exit(1)


def results(tool: Tool, run: Runner) -> Iterator[tuple[str, list[str]]]:
    """Each test's name and what it found wrong."""
    from engine.planning.selftests import broken_assertions

    for test in tool.tests:
        yield test.name, broken_assertions(test, run(test))


def runner(descriptor: str, runtimes: tuple[str, ...], directory: Path) -> Runner:
    """Make a function that submits a test's invocation and waits for its end."""
    from engine.app.requests import SubmitRequest
    from engine.domain.file_urls import to_path
    from engine.errors import BadRequest
    from engine.ids import ExecutionId
    from engine.planning.selftests import ToolTestOutcome

    def run(test: ToolTest) -> ToolTestOutcome:
        engine = session.engine
        request = SubmitRequest(
            descriptor=descriptor,
            invocations=(test.invocation,),
            results=directory / "results",
            runtimes=runtimes,
        )
        try:
            view, _ = engine.app.submit(engine.app.plan(request))
        except BadRequest as error:
            lines = error.problems or (error.message,)
            problems = [f"test {test.name}: {line.removeprefix('invocation, ')}" for line in lines]
            raise BadRequest(problems[0], remedy=error.remedy, problems=problems) from None
        id_ = ExecutionId(view.id)
        try:
            engine.driver.follow(id_, lambda _: None)
        except KeyboardInterrupt:
            engine.app.cancel(id_)
            engine.driver.follow(id_, lambda _: None)  # its directory is about to go
            raise
        job = next(engine.app.jobs(id_))
        files: dict[str, list[Path]] = {}
        for product in engine.app.products(id_):
            files.setdefault(product.output, []).append(to_path(product.url))
        return ToolTestOutcome(job.exit_code, files, job.message)

    return run
