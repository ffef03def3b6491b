"""`engine catalogue`: files under logical names, imported, exported and looked up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import ExecutionArgument, Json, session

if TYPE_CHECKING:
    from engine.domain.catalogue import CatalogueEntry

app = typer.Typer(
    help="Files under logical names: results, and what was imported. As inputs they are lfn:/NAME.",
    no_args_is_help=True,
)
NamesArgument = Annotated[list[str], typer.Argument(help="Logical names, like /vo/user/file.")]


@app.command("ls")
def list_(
    prefix: Annotated[str, typer.Argument(help="A logical directory; results are in /executions/ID.")] = "/",
    json: Json = False,
) -> None:
    """Show the names below a logical directory."""
    found = dict.fromkeys(name for one in session.engine.catalogues for name in one.list(prefix))
    for name in sorted(found):
        show.json_line({"name": name}) if json else print(name)


@app.command("show")
def show_(names: NamesArgument, json: Json = False) -> None:
    """Show size, checksums and replicas of files."""
    from engine.domain.catalogue import checked, name_of
    from engine.errors import NotFound

    wanted = [name_of(name) or checked(name) for name in names]
    found: dict[str, CatalogueEntry] = {}
    for catalogue in session.engine.catalogues:
        found = {**catalogue.lookup(wanted), **found}
    for name in wanted:
        if name not in found:
            raise NotFound(f"no catalogue knows {name}", remedy="engine catalogue ls shows what there is")
        one = found[name]
        if json:
            show.json_line(one)
        else:
            sums = " ".join(f"{kind}:{text}" for kind, text in sorted(one.checksums.items()))
            print(f"{one.name}  {show.size(one.size) if one.size is not None else '?'}  {sums}")
            for url in one.replicas:
                print(f"  {url}")


@app.command("export")
def export(execution: ExecutionArgument = None) -> None:
    """Print the results of an execution as a ReplicaMap (JSON)."""
    from engine.app.data import replica_map
    from engine.app.data.locations import storage_name

    engine = session.engine
    entries = engine.catalogue.of_execution(engine.app.resolve(execution))
    print(replica_map.dumps(entries, lambda url: storage_name(url, engine.settings.storages)))


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="A ReplicaMap (JSON); - is standard input.")],
) -> None:
    """Make the files of a ReplicaMap known."""
    from engine.app.data import replica_map
    from engine.errors import BadRequest

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise BadRequest(f"{file}: {error.strerror}") from None
    entries = replica_map.loads(data, file)
    refused = session.engine.catalogue.register(entries)
    if refused:
        problems = [f"{file}: {name}: {why}" for name, why in sorted(refused.items())]
        raise BadRequest(problems[0], problems=problems)
    show.say(show.counted(len(entries), "file is known", "files are known"))


@app.command("rm")
def remove(names: NamesArgument) -> None:
    """Forget names, not the files."""
    from engine.domain.catalogue import checked, name_of

    session.engine.catalogue.remove([name_of(name) or checked(name) for name in names])
