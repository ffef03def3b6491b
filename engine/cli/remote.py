"""`engine --server URL ...`: the same words for a daemon elsewhere, through its interface."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli import show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.client import Client

files = typer.Typer(help="Files on the platform: paths are /vip/Home/...", no_args_is_help=True)
pipeline = typer.Typer(help="For administrators: what the platform offers.", no_args_is_help=True)
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
    what: str | Mapping[str, Any] = _document(Path(pipeline)) if Path(pipeline).is_file() else pipeline
    client = _client()
    id_ = client.submit(what, _document(invocation), name=name, results=results_, key=key)
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
    found = _client().executions(limit=limit)
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
    client = _client()
    id_ = _id(client, execution)
    _tell(client.wait(id_) if watch else client.status(id_), json_=json_)


def logs(
    execution: IdArgument = None,
    job: Annotated[int, typer.Option(min=0, help="Number of the job, from 0.")] = 0,
    stderr: Annotated[bool, typer.Option("--stderr", help="What it complained of.")] = False,
) -> None:
    """Print what a job printed."""
    client = _client()
    text = client.log(_id(client, execution), job, "stderr" if stderr else "stdout")
    typer.echo(text, nl=False)


def results(
    execution: IdArgument = None,
    download: Annotated[Path | None, typer.Option(help="Bring them into this directory.")] = None,
    json_: Json = False,
) -> None:
    """Show the results of an execution, or bring them here."""
    client = _client()
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
    client = _client()
    client.stop(_id(client, execution))


def retry(execution: IdArgument = None) -> None:
    """Run again what failed or was cancelled."""
    client = _client()
    client.restart(_id(client, execution))


def pipelines(json_: Json = False) -> None:
    """Show the pipelines that may be used."""
    found = _client().pipelines()
    for one in found if json_ else ():
        show.json_line(one)
    if not json_:
        show.table(["pipeline"], [(one["identifier"],) for one in found])


IdentifierArgument = Annotated[str, typer.Argument(help="NAME/VERSION.")]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group", help="Who may use it; everybody if left out.")
]


@pipeline.command()
def add(
    descriptor: Annotated[Path, typer.Argument(help="A Boutiques descriptor.")],
    groups: GroupsOption = None,
    json_: Json = False,
) -> None:
    """Publish a descriptor as NAME/VERSION, after it was checked; one that was used is never changed."""
    made = _client().publish(_document(descriptor), groups or ())
    for warning in made["warnings"]:
        show.say(f"engine: warning: {warning}")
    show.json_line(made) if json_ else print(made["identifier"])


@pipeline.command("list")
def pipeline_list(json_: Json = False) -> None:
    """Show every pipeline that is offered, and to whom."""
    found = _client().published()
    for one in found if json_ else ():
        show.json_line(one)
    if not json_:
        rows = [(one["identifier"], ", ".join(one["groups"]) or "everybody") for one in found]
        show.table(["pipeline", "for"], rows)


@pipeline.command()
def share(identifier: IdentifierArgument, groups: GroupsOption = None) -> None:
    """Say who may use a pipeline."""
    _client().share(identifier, groups or ())


@pipeline.command()
def withdraw(identifier: IdentifierArgument) -> None:
    """Offer a pipeline no more; executions go on knowing it."""
    _client().withdraw(identifier)


PathArgument = Annotated[str, typer.Argument(help="A path of the platform, /vip/Home/...")]


@files.command()
def put(source: Annotated[Path, typer.Argument(help="A file or directory.")], path: PathArgument) -> None:
    """Bring a file or directory to the platform, verified."""
    _client().upload(source, path)


@files.command()
def get(path: PathArgument, target: Annotated[Path, typer.Argument(help="Where it goes.")]) -> None:
    """Bring a file here, verified."""
    _client().download(path, target)


@files.command("list")
def files_list(path: Annotated[str, typer.Argument(help="A directory.")] = "/vip/Home") -> None:
    """Show what lies in a directory of the platform."""
    for one in _client().list(path):
        print(one["path"] + ("/" if one["isDirectory"] else ""))


@files.command()
def remove(path: PathArgument) -> None:
    """Put a file or directory into the trash."""
    _client().delete(path)


def _client() -> Client:
    from engine.client import Client
    from engine.errors import BadRequest

    key = os.environ.get("ENGINE_KEY", "")
    if not key:
        raise BadRequest("ENGINE_KEY is not set", remedy="it holds your API key of the platform")
    return Client(session.server or "", key)


def _id(client: Client, given: str | None) -> str:
    from engine.errors import NotFound

    if given:
        return given
    newest = client.executions(limit=1)
    if not newest:
        raise NotFound("there is no execution yet", remedy="engine --server URL submit makes one")
    return str(newest[0]["identifier"])


def _document(path: Path) -> dict[str, Any]:
    from engine.errors import BadRequest

    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise BadRequest(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"{path}: a JSON object is needed")
    return found


def _tell(told: Mapping[str, Any], *, json_: bool) -> None:
    if json_:
        show.json_line(dict(told))
        return
    jobs = ", ".join(f"{count} {state}" for state, count in (told["jobsSummary"] or {}).items())
    print(f"{told['identifier']}  {told['status']}  {jobs}")
