"""`engine --server URL files`: files of the virtual tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.remote_session import connected
from engine.errors import BadRequest

files = typer.Typer(help="Files on the platform, below /vip/Home and those of groups.", no_args_is_help=True)
PathArgument = Annotated[str, typer.Argument(help="A path of the platform, like /vip/Home/a.nii.")]


@files.command()
def put(source: Annotated[Path, typer.Argument(help="A file or directory.")], path: PathArgument) -> None:
    """Bring a file or directory to the platform, verified."""
    if not source.exists():
        raise BadRequest(f"{source}: there is no such file")
    connected().upload(source, path)


@files.command()
def get(
    path: PathArgument, target: Annotated[Path, typer.Argument(help="Its name here, or a directory.")]
) -> None:
    """Bring a file here, verified."""
    name = path.rstrip("/").rpartition("/")[2]
    connected().download(path, target / name if target.is_dir() else target)


@files.command("list")
def files_list(path: Annotated[str, typer.Argument(help="A directory.")] = "/vip/Home") -> None:
    """Show what lies in a directory of the platform."""
    for one in connected().list(path):
        print(one["path"] + ("/" if one["isDirectory"] else ""))


@files.command()
def remove(path: PathArgument) -> None:
    """Put a file or directory into the trash."""
    connected().delete(path)
