"""`engine --server URL ...`: the same words for a daemon elsewhere, through its interface."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import show
from engine.cli.remote_session import connected, document
from engine.cli.session import Json, load_descriptor

if TYPE_CHECKING:
    from engine.client import Client

IdArgument = Annotated[
    str | None, typer.Argument(help="Id of an execution, or the beginning of one; the newest if left out.")
]
JobArgument = Annotated[
    str | None, typer.Argument(help="EXECUTION:NUMBER; the number may be left out when there is one job.")
]
_EXITS = {"Finished": 0}
_ENDED = ("Finished", "ExecutionFailed", "Killed")
_UNDER_WAY = ("QUEUED", "RUNNING")
_PAUSE = 1.0
_WHOLE_ID, _MANY = 26, 500
_COLUMNS = ("identifier", "name", "pipelineIdentifier", "status")


def submit(
    pipeline: Annotated[
        str, typer.Argument(help="NAME/VERSION, zenodo.N, or a descriptor file of your own.")
    ],
    invocation: Annotated[Path, typer.Argument(help="JSON file with the values; files are /vip/... there.")],
    name: Annotated[str, typer.Option(help="Name of the execution.")] = "execution",
    results_: Annotated[str, typer.Option("--results", help="Where results go.")] = "/vip/Home",
    key: Annotated[str | None, typer.Option(help="Submitting twice with one key is submitting once.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    json_: Json = False,
) -> None:
    """Run a pipeline on the platform; a list given to an input that is no list is a job for each element."""
    own = Path(pipeline).is_file() or pipeline.endswith(".json")
    what: str | Mapping[str, Any] = load_descriptor(pipeline, network=False).data if own else pipeline
    client = connected()
    id_ = client.submit(what, document(invocation), name=name, results=results_, key=key)
    if detach:
        show.json_line({"id": id_}) if json_ else print(id_)
        return
    show.say(f"execution {id_} runs; it goes on when this command is interrupted")
    _follow(client, id_, json_=json_)


def list_(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50, json_: Json = False
) -> None:
    """Show executions, newest first."""
    found = connected().executions(limit=limit)
    for one in found if json_ else ():
        show.json_line(one)
    if not json_:
        show.table(_COLUMNS, [[one[column] for column in _COLUMNS] for one in found])


def status(
    execution: IdArgument = None,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for its end.")] = False,
    json_: Json = False,
) -> None:
    """Show how an execution stands."""
    client = connected()
    id_ = _id(client, execution)
    _print(client.wait(id_) if watch else client.status(id_), json_=json_)


def jobs(
    execution: IdArgument = None,
    status: Annotated[
        str, typer.Option(help="Only these: QUEUED, RUNNING, COMPLETED, ERROR or CANCELLED.")
    ] = "",
    json_: Json = False,
) -> None:
    """Show the jobs of an execution."""
    client = connected()
    found = ({**one, "number": one["number"] + 1} for one in client.jobs(_id(client, execution), status))
    if json_:
        for one in found:
            show.json_line(one)
        return
    columns = ["job", "status", "tries", "exit", "message", "parameters"]
    show.table(
        columns,
        [
            [
                *(one["number"], one["status"], one["attempts"]),
                *("" if one["exitCode"] is None else one["exitCode"], one["exitMessage"] or ""),
                ", ".join(f"{name}={value}" for name, value in one["parameters"].items()),
            ]
            for one in found
        ],
    )


def explain(job: JobArgument = None, json_: Json = False) -> None:
    """Tell the story of a job."""
    client = connected()
    told = client.job(*_job(client, job))
    if json_:
        show.json_line({**told, "number": told["number"] + 1})
        return
    for event in told["story"]:
        print(f"{event['at']}  {show.cell(event['words'])}")


def logs(
    job: JobArgument = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="Its standard error instead.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
) -> None:
    """Print what the tool of a job wrote to its standard output."""
    client = connected()
    id_, number = _job(client, job)
    shown = b""
    while True:
        over = not follow or client.job(id_, number)["status"] not in _UNDER_WAY
        text = client.log(id_, number, "stderr" if stderr else "stdout")
        # a new try has a log of its own
        typer.echo(text[len(shown) :] if text.startswith(shown) else text, nl=False)
        if over:
            return
        shown = text
        time.sleep(_PAUSE)


def results(
    execution: IdArgument = None,
    download: Annotated[Path | None, typer.Option(help="Bring them into this directory.")] = None,
    json_: Json = False,
) -> None:
    """Show the results of an execution, or bring them here."""
    client = connected()
    id_ = _id(client, execution)
    if download is not None:
        for path in client.download_results(id_, download):
            print(path)
        return
    found = client.results(id_)
    for one in found if json_ else ():
        show.json_line(one)
    if not json_:
        show.table(["path", "size"], [(one["path"], show.size(one["size"])) for one in found])


def cancel(
    execution: IdArgument = None,
    wait: Annotated[bool, typer.Option(help="Wait for its end.")] = True,
    json_: Json = False,
) -> None:
    """End an execution. What has succeeded keeps its results."""
    client = connected()
    id_ = _id(client, execution)
    before = client.status(id_)["status"]
    client.stop(id_)
    told = client.wait(id_) if wait else client.status(id_)
    if json_:
        show.json_line(dict(told))
    elif before in _ENDED:
        show.say(f"engine: {id_} was over already: {told['status']}")
    else:
        show.say(f"engine: {id_} is {told['status']}")


def retry(
    execution: IdArgument = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once.")] = False,
    json_: Json = False,
) -> None:
    """Try again what did not succeed. Successful jobs are left as they are."""
    client = connected()
    id_ = _id(client, execution)
    told = client.restart(id_)
    if told["status"] in _ENDED:
        show.say(f"engine: nothing to try again in {id_}")
    elif detach:
        show.say(f"engine: {id_} runs again")
    else:
        show.say(f"engine: {id_} runs again; it goes on when this command is interrupted")
        _follow(client, id_, json_=json_)


def _follow(client: Client, id_: str, *, json_: bool) -> None:
    told = client.wait(id_)
    _print(told, json_=json_)
    raise typer.Exit(_EXITS.get(told["status"], 1))


def _id(client: Client, given: str | None) -> str:
    from engine.errors import BadRequest, NotFound

    if not given:
        newest = client.executions(limit=1)
        if not newest:
            raise NotFound("there is no execution yet", remedy="engine --server URL submit makes one")
        return str(newest[0]["identifier"])
    if len(given) >= _WHOLE_ID:
        return given
    found = [str(one["identifier"]) for one in client.executions(limit=_MANY)]
    fitting = [id_ for id_ in found if id_.startswith(given.upper())]
    if len(fitting) > 1:
        raise BadRequest(f"{given}: {len(fitting)} executions begin so", remedy="write more of it")
    return fitting[0] if fitting else given


def _job(client: Client, given: str | None) -> tuple[str, int]:
    """An execution, and the number of a job as the interface counts them: from 0."""
    from engine.errors import BadRequest

    execution, _, number = (given or "").partition(":")
    id_ = _id(client, execution)
    if number:
        if not (number.isascii() and number.isdigit() and int(number)):
            raise BadRequest(f"{given}: the number of a job, from 1, is needed after the colon")
        return id_, int(number) - 1
    count = sum((client.status(id_)["jobsSummary"] or {}).values())
    if count > 1:
        raise BadRequest(f"{id_} has {count} jobs", remedy=f"say which, e.g. {id_}:1")
    return id_, 0


def _print(told: Mapping[str, Any], *, json_: bool) -> None:
    if json_:
        show.json_line(dict(told))
        return
    jobs = ", ".join(f"{count} {state}" for state, count in (told["jobsSummary"] or {}).items())
    print(f"{told['identifier']}  {told['status']}  {jobs}")
