"""`engine --server URL ...`: the same words for a daemon elsewhere, through its interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import show
from engine.cli.remote_session import connected, document
from engine.cli.session import Json

if TYPE_CHECKING:
    from engine.client import Client

IdArgument = Annotated[str | None, typer.Argument(help="Id of an execution; the newest if left out.")]
_EXITS = {"Finished": 0}
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
    what: str | Mapping[str, Any] = document(Path(pipeline)) if Path(pipeline).is_file() else pipeline
    client = connected()
    id_ = client.submit(what, document(invocation), name=name, results=results_, key=key)
    if detach:
        show.json_line({"id": id_}) if json_ else print(id_)
        return
    show.say(f"execution {id_} runs; it goes on when this command is interrupted")
    told = client.wait(id_)
    _tell(told, json_=json_)
    raise typer.Exit(_EXITS.get(told["status"], 1))


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
    _tell(client.wait(id_) if watch else client.status(id_), json_=json_)


def jobs(
    execution: IdArgument = None,
    status: Annotated[
        str, typer.Option(help="Only these: QUEUED, RUNNING, COMPLETED, ERROR or CANCELLED.")
    ] = "",
    json_: Json = False,
) -> None:
    """Show the jobs of an execution."""
    client = connected()
    found = client.jobs(_id(client, execution), status)
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


def explain(
    execution: IdArgument = None,
    job: Annotated[int, typer.Option(min=0, help="Number of the job, from 0.")] = 0,
    json_: Json = False,
) -> None:
    """Tell the story of a job."""
    client = connected()
    told = client.job(_id(client, execution), job)
    if json_:
        show.json_line(told)
        return
    for event in told["story"]:
        print(f"{event['at']}  {event['words']}")


def logs(
    execution: IdArgument = None,
    job: Annotated[int, typer.Option(min=0, help="Number of the job, from 0.")] = 0,
    stderr: Annotated[bool, typer.Option("--stderr", help="What it complained of.")] = False,
) -> None:
    """Print what a job printed."""
    client = connected()
    text = client.log(_id(client, execution), job, "stderr" if stderr else "stdout")
    typer.echo(text, nl=False)


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


def cancel(execution: IdArgument = None) -> None:
    """Ask for the end of an execution."""
    client = connected()
    client.stop(_id(client, execution))


def retry(execution: IdArgument = None) -> None:
    """Run again what failed or was cancelled."""
    client = connected()
    client.restart(_id(client, execution))


def _id(client: Client, given: str | None) -> str:
    from engine.errors import NotFound

    if given:
        return given
    newest = client.executions(limit=1)
    if not newest:
        raise NotFound("there is no execution yet", remedy="engine --server URL submit makes one")
    return str(newest[0]["identifier"])


def _tell(told: Mapping[str, Any], *, json_: bool) -> None:
    if json_:
        show.json_line(dict(told))
        return
    jobs = ", ".join(f"{count} {state}" for state, count in (told["jobsSummary"] or {}).items())
    print(f"{told['identifier']}  {told['status']}  {jobs}")
