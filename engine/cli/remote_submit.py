"""`engine --server URL submit`: the same as on this machine, with the work done at a daemon. Invocations and
sweeps are read here, and files of this machine are uploaded.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import foreground, show
from engine.cli.option_decorator import with_options
from engine.cli.plan import print_jobs
from engine.cli.remote_session import connected, daemon
from engine.cli.request import request
from engine.cli.session import Json, load_descriptor
from engine.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.app.requests import SubmitRequest
    from engine.cli.at_daemon import AtDaemon
    from engine.cli.remote_inputs import LocalInputs
    from engine.planning import CompiledTool, Point


_LOOKED_AT = 100
"""Jobs that the platform looks at before files are uploaded."""


@with_options(request)
def command(
    asked: SubmitRequest,
    name: Annotated[str, typer.Option(help="Title of the execution at the platform.")] = "execution",
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once; the execution goes on there.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the jobs; submit nothing.")] = False,
    json: Json = False,
) -> None:
    """Run a pipeline of the platform (NAME/VERSION, or a DOI), or a tool, over invocations."""
    if dry_run:
        _plan(asked, json=True)
        return
    ours, wanted, files = _request(asked, name)
    if files.coming:  # what is refused is refused before anything is uploaded
        ours.plan({**wanted, "jobs": wanted["jobs"][:_LOOKED_AT], "coming": list(files.coming)})
        _upload(files)
    view, new, warnings = ours.submit(wanted)
    show.warn(warnings)
    foreground.go_on(view, "" if new else asked.key, detach=detach, json=json)


@with_options(request)
def plan(asked: SubmitRequest, json: Json = False) -> None:
    """Show command line, inputs, outputs and runtime of each job at the platform; submit nothing."""
    _plan(asked, json=json)


def _plan(asked: SubmitRequest, *, json: bool) -> None:
    ours, wanted, files = _request(asked)
    planned, warnings = ours.plan({**wanted, "coming": list(files.coming)})
    show.warn(warnings)
    print_jobs(planned, json=json)


def _request(
    asked: SubmitRequest, title: str = "execution"
) -> tuple[AtDaemon, Mapping[str, Any], LocalInputs]:
    """Make the request to the daemon, and tell which files of this machine it needs.

    Raises:
        BadRequest: an option is of this machine only, or an invocation is wrong.
    """
    from engine.cli.remote_inputs import LocalInputs

    _refuse_local_options(asked)
    ours, files = daemon(), LocalInputs()
    what, compiled = _tool(ours, str(asked.descriptor))
    jobs, place = _jobs(asked, compiled, files)
    wanted = {
        **what,
        "jobs": jobs,
        "title": title,
        "results": _location(asked, place),
        "options": _options(asked),
        "key": asked.key,
    }
    return ours, wanted, files


def _refuse_local_options(asked: SubmitRequest) -> None:
    """Return if all options have a meaning at a daemon.

    Raises:
        BadRequest: one is of this machine only.
    """
    if asked.backend is not None:
        raise BadRequest(
            f"--backend {asked.backend}: a platform chooses where jobs run",
            remedy="leave it out with --server",
        )
    if asked.compat:
        raise BadRequest(
            "--bosh-compat: a platform renders no command line that values can break",
            remedy="leave it out with --server; engine expand --bosh-compat shows the text here",
        )
    if len(asked.stores) > 1 or (asked.stores and asked.results is not None):
        raise BadRequest(
            "--store: an execution of a platform has its results in one place",
            remedy="name one --store, or one --results",
        )


def _tool(ours: AtDaemon, name: str) -> tuple[Mapping[str, Any], CompiledTool]:
    """Find what is to run: a descriptor of this machine, or a pipeline of the platform."""
    from engine.planning import Descriptor, compile_tool

    if Path(name).is_file() or name.endswith(".json"):
        own = load_descriptor(name, network=False)
        return {"descriptor": dict(own.data)}, compile_tool(own)
    theirs = Descriptor.of(ours.descriptor(name), name)
    return {"pipeline": name}, compile_tool(theirs, check=False)


def _jobs(
    asked: SubmitRequest, compiled: CompiledTool, files: LocalInputs
) -> tuple[Sequence[Mapping[str, Any]], str]:
    """Work out every job, and where an invocation wants the results.

    Raises:
        BadRequest: an invocation is wrong.
    """
    from engine.planning import expand_points, read_invocations

    sweep = replace(asked.sweep, vip=True, now=None, list_directory=_listed)
    points = read_invocations(asked.invocations, compiled.tool, sweep)
    places: dict[str, None] = {}
    jobs = []
    for point in expand_points(points, lambda point: _checked(compiled, point, files)):
        if point.results:
            places[point.results] = None
        jobs.append(_job(compiled, point))
    if not jobs:
        raise BadRequest("there is no job to run: the invocations are empty")
    if len(places) > 1:
        raise BadRequest("results-directory: an execution of a platform has its results in one place")
    return jobs, next(iter(places), "")


def _listed(path: str) -> Sequence[str] | None:
    """Name the files in a directory, of the platform or of this machine."""
    from engine.planning.vip import list_local

    if not path.startswith("/vip/"):
        return list_local(path)
    try:
        with connected() as client:
            found = client.list(path)
    except BadRequest:
        return None  # no directory; whether it is a file is seen at the platform
    return [str(one["path"]).rpartition("/")[2] for one in found if not one["isDirectory"]]


def _checked(compiled: CompiledTool, point: Point, files: LocalInputs) -> Point:
    """Give back a point with the files of the platform in place of those of this machine.

    Raises:
        InvocationError: rules of the descriptor are broken, or files are missing.
    """
    from engine.planning import InvocationError

    values, wrong = files.resolve(compiled.tool, point.invocation)
    try:
        compiled.expand(values, stage=True)
    except InvocationError as error:
        raise InvocationError(list(dict.fromkeys([*wrong, *error.problems]))) from None
    if wrong:
        raise InvocationError(wrong)
    return replace(point, invocation=values)


def _job(compiled: CompiledTool, point: Point) -> Mapping[str, Any]:
    from engine.planning.points import REPEAT
    from engine.planning.vip_keys import copied_inputs

    hidden = copied_inputs(compiled.tool)
    job: dict[str, Any] = {
        "values": {id_: value for id_, value in point.invocation.items() if id_ not in hidden},
        "parameters": [id_ for id_ in point.parameters if id_ != REPEAT],
    }
    if point.needs:
        job |= {"needs": list(point.needs), "need": point.need}
    if point.place or point.step:
        job |= {"step": point.step, "point": dict(point.place)}
    return {**job, "repeat": point.parameters[REPEAT]} if REPEAT in point.parameters else job


def _location(asked: SubmitRequest, place: str) -> str:
    """Choose where results go: a directory of the platform, or a directory of one of its storages.

    Raises:
        BadRequest: it is of this machine.
    """
    if asked.stores:
        return asked.stores[0]
    found = place if asked.results is None else str(asked.results)
    if found and not found.startswith("/vip/") and ":" not in found:
        raise BadRequest(
            f"--results {found}: results are kept at the platform, below /vip/Home",
            remedy=f"leave it out; engine results --download {found} brings them here",
        )
    return found


def _options(asked: SubmitRequest) -> Mapping[str, Any]:
    """Give the options as the daemon takes them."""
    options = {
        "runtimes": list(asked.runtimes),
        "cores": asked.cores,
        "memory": asked.memory,
        "wall": asked.wall,
        "group": asked.group,
        "read_only": bool(asked.root),
        "results_name": asked.results_name,
    }
    return {name: value for name, value in options.items() if value is not None}


def _upload(files: LocalInputs) -> None:
    show.say(f"engine: {show.counted(len(files.coming), 'file is', 'files are')} brought to the platform")
    with connected() as client:
        files.upload(client)
