"""`engine plan`: what a submit would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from engine.cli import show
from engine.cli.option_decorator import with_options
from engine.cli.request import request
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.app.requests import SubmitRequest


@with_options(request)
def command(asked: SubmitRequest, json: Json = False) -> None:
    """Show command line, inputs, outputs, image and runtime of each job; submit nothing."""
    app = session.engine.app
    planned = app.plan(asked)
    show.warn(planned.warnings)
    print_jobs(app.dry_run(planned), json=json)


def print_jobs(jobs: Iterable[Mapping[str, Any]], *, json: bool) -> None:
    """Print each job as it would run."""
    for job in jobs:
        if json:
            show.json_line(job)
            continue
        print(f"job {job['job']}")
        print(f"  command   {show.cell(job['command'])}")
        for item in job["inputs"]:
            print(f"  input     {item['id']}: {show.cell(item['from'])} as {show.cell(item['as'])}")
        for item in job["outputs"]:
            optional = " (optional)" if item["optional"] else ""
            named = f" as {show.cell(item['name'])}" if "name" in item else ""
            print(f"  output    {item['id']}: {show.cell(item['path'])}{optional}{named}")
        size = f", {job['image_size'] / 1e6:.1f} MB" if job["image_size"] else ""
        by = f" (from {show.cell(job['pinned_by'])}{size})" if job["pinned_by"] else ""
        print(f"  image     {job['image'] or 'none'}{by}")
        print(f"  runtime   {', '.join(job['runtimes'])} on {job['backend']}")
