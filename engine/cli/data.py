"""`engine data`: files on storages, looked at, copied, renamed and removed by people."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import show
from engine.cli.session import Json, session

if TYPE_CHECKING:
    from engine.app.data.copying import Copied
    from engine.app.data.files import Data, FoundFile

app = typer.Typer(
    help="Files on storages. A location is STORAGE:PATH (a storage of the settings), a URL, or a local path.",
    no_args_is_help=True,
)
Location = Annotated[str, typer.Argument(help="STORAGE:PATH, a URL, or a local path.")]
Locations = Annotated[list[str], typer.Argument(help="STORAGE:PATH, URLs, or local paths.")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="With all that is below.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Copy what is there already, too.")]


@app.command("ls")
def list_(
    location: Annotated[str | None, typer.Argument(help="A directory; if left out, the storages.")] = None,
    long: Annotated[bool, typer.Option("--long", "-l", help="With size and time.")] = False,
    recursive: Recursive = False,
    json: Json = False,
) -> None:
    """Show what is in a directory."""
    if location is None:
        _storages(json)
        return
    for found in _data().list(location, recursive=recursive):
        if json:
            show.json_line(found)
        else:
            print(_line(found, long))


@app.command("stat")
def stat(
    locations: Locations,
    checksum: Annotated[
        list[str] | None, typer.Option(help="adler32, md5 or sha256; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Show size, time and checksums."""
    from engine.app.data.files import ALGORITHMS
    from engine.errors import BadRequest

    if unknown := set(checksum or ()) - set(ALGORITHMS):
        raise BadRequest(f"--checksum {min(unknown)}: it is one of {', '.join(ALGORITHMS)}")
    for location in locations:
        found = _data().stat(location, checksum or ())
        if json:
            show.json_line(found)
        else:
            sums = [f"{name}:{value}" for name, value in sorted(found.checksums.items())]
            print(_line(found, long=True), *sums)


@app.command("get")
def get(
    locations: Locations,
    into: Annotated[str, typer.Option(help="Directory, or the name of the copy.")] = ".",
    force: Force = False,
    json: Json = False,
) -> None:
    """Bring files and directories to this machine."""
    _copy(locations, into, force, json)


@app.command(
    "cp",
    help="Copy files and directories from anywhere to anywhere; between storages by way of this machine.",
)
@app.command("put", help="Bring files and directories of this machine to a storage.")
def copy(
    words: Annotated[list[str], typer.Argument(help="Files and directories, and where to put them.")],
    force: Force = False,
    json: Json = False,
) -> None:
    """Copy files and directories."""
    sources, target = _split(words)
    _copy(sources, target, force, json)


@app.command("mv")
def move(source: Location, target: Location, json: Json = False) -> None:
    """Rename, within one storage. What is there is never replaced."""
    url = _data().move(source, target)
    if json:
        show.json_line({"source": _data().locate(source), "target": url})


@app.command("rm")
def remove(
    locations: Locations,
    recursive: Recursive = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Nothing there is fine.")] = False,
    json: Json = False,
) -> None:
    """Remove files, and directories with --recursive."""
    for location in locations:
        url = _data().remove(location, recursive=recursive, force=force)
        if json:
            show.json_line({"removed": url})


def _data() -> Data:
    from engine.app.data.files import Data

    return Data(session.engine.settings, session.engine.storage)


def _storages(json: bool) -> None:
    for name, section in session.engine.settings.storages.items():
        if json:
            show.json_line({"name": name, "url": section.url, "aliases": section.aliases})
        else:
            print(f"{name}:\t{section.url}")


def _line(found: FoundFile, long: bool) -> str:
    name = show.cell(found.name) + ("/" if found.directory else "")
    if not long:
        return name
    when = (
        datetime.fromtimestamp(found.modified).astimezone().strftime("%Y-%m-%d %H:%M")
        if found.modified
        else "-"
    )
    return f"{'-' if found.directory else show.size(found.size):>10}  {when:16}  {name}"


def _split(words: Sequence[str]) -> tuple[Sequence[str], str]:
    from engine.errors import BadRequest

    if len(words) < 2:
        raise BadRequest("what is to be copied, and where to?", remedy="name both")
    return words[:-1], words[-1]


def _copy(sources: Sequence[str], target: str, force: bool, json: bool) -> None:
    from engine.app.data.copying import Copier

    engine, data, began = session.engine, _data(), time.monotonic()
    done: list[Copied] = []
    with _shown() as progress:
        copier = Copier(
            engine.storage,
            engine.clock,
            parallel=engine.settings.data.parallel,
            rounds=engine.settings.data.rounds,
            force=force,
            progress=progress,
        )
        for copied in copier.copy(data.plan(sources, target)):
            done.append(copied)
            if json:
                show.json_line(_plain(copied))
            elif copied.error:
                show.say(f"engine: {copied.error}")
    _conclude(done, time.monotonic() - began)


def _plain(copied: Copied) -> dict[str, object]:
    state = "failed" if copied.error else "there" if copied.there else "copied"
    error = {"error": str(copied.error)} if copied.error else {}
    return {"source": copied.source, "target": copied.target, "size": copied.size, "state": state, **error}


def _conclude(done: Sequence[Copied], seconds: float) -> None:
    """Say what was done; failures give the exit code of what went wrong, or 1 when some went well."""
    failed = [copied.error for copied in done if copied.error]
    there = sum(copied.there for copied in done)
    size = sum(copied.size for copied in done if not copied.there and not copied.error)
    files = show.counted(len(done) - there - len(failed), "file")
    words = [f"{files} copied, {show.size(size)} in {seconds:.1f} s"]
    words += [f"{there} were there already"] if there else []
    words += [f"{len(failed)} failed"] if failed else []
    show.say(f"engine: {'; '.join(words)}")
    if failed:
        raise typer.Exit(failed[0].exit_code if len(failed) == len(done) else 1)


@contextmanager
def _shown() -> Iterator[Callable[[int], None] | None]:
    """Show a line of progress on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("engine: copied"), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda size: bar.advance(task, size)
