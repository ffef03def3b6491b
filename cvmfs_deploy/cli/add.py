"""`cvmfs-deploy add`: publish images by name, now."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from cvmfs_deploy.cli import outcome
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.failures import translated
from cvmfs_deploy.plan import make
from cvmfs_deploy.sources.archive import ArchiveSource
from cvmfs_deploy.sources.base import ImageSource
from cvmfs_deploy.sources.docker_engine import from_docker
from cvmfs_deploy.sources.registry import RegistrySource
from cvmfs_deploy.wanted import ResolvedList, WantedImage, pin, resolve
from cvmfs_deploy.wishlist import BY_HAND, WishList, WishlistEntry
from engine.errors import BadRequest
from wrappers.containers.reference import Reference


def command(
    images: Annotated[list[str] | None, typer.Argument(help="Images by tag, digest or tag pattern.")] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Take them from a docker save file or OCI archive instead.")
    ] = None,
    docker: Annotated[
        bool, typer.Option("--docker", help="Take them from this machine's Docker engine.")
    ] = False,
    platform: Annotated[
        list[str] | None, typer.Option(help="Platform, like linux/arm64; may be repeated.")
    ] = None,
    singularity: Annotated[
        bool, typer.Option("--singularity", help="Make VIP's singularity links too.")
    ] = False,
    grace: Annotated[str, typer.Option(help="How long it stays after it was retired.")] = "30d",
    again: Annotated[bool, typer.Option("--again", help="Make it anew even if it is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish images. They stay until `retire`, whatever the wish-lists say."""
    wish_list = _wishes(images or [], platform or [], singularity, grace)
    destination = session.destination()
    if not images and not archive:
        raise BadRequest("no image is named")
    if archive and docker:
        raise BadRequest("--archive and --docker exclude each other")
    with ExitStack() as stack:
        stack.enter_context(destination.exclusively())
        destination.settings.work.mkdir(parents=True, exist_ok=True)
        if archive or docker:
            asked = _from_source(stack, wish_list, archive, destination.settings.work)
        else:
            with translated():
                registry = RegistrySource(destination.settings)
            asked = resolve(wish_list.entries(), registry)
        plan = make(destination.look(), asked, BY_HAND, destination.now, complete=False, again=again)
        outcome.do(destination, plan, as_json)


def _wishes(images: list[str], platforms: list[str], singularity: bool, grace: str) -> WishList:
    from cvmfs_deploy.documents import checked

    data = {
        "images": images,
        "grace": grace,
        **({"platforms": platforms} if platforms else {}),
        **({"layouts": ["udocker", "singularity"]} if singularity else {}),
    }
    return checked(data, WishList, "cvmfs-deploy add")


def _from_source(stack: ExitStack, wish_list: WishList, archive: Path | None, work: Path) -> ResolvedList:
    """Images of an archive, or of the Docker engine."""
    if archive is not None:
        with translated():
            source = ArchiveSource(archive)
            stack.callback(source.close)
            named = source.references() if not wish_list.images else []
        if not wish_list.images and not named:
            raise BadRequest(f"{archive}: its images have no names", remedy="name the image after the option")
        filler = wish_list.filled(WishlistEntry(image="unnamed"))
        pairs: list[tuple[WishlistEntry, Reference]] = [(filler, reference) for reference in named]
        pairs += [(entry, entry.reference()) for entry in wish_list.entries()]
        return ResolvedList(tuple(_pinned(pairs, source)))
    wanted: list[WantedImage] = []
    for entry in wish_list.entries():
        with translated():
            engine = stack.enter_context(from_docker(entry.reference(), work))
        wanted += _pinned([(entry, entry.reference())], engine)
    return ResolvedList(tuple(wanted))


def _pinned(pairs: list[tuple[WishlistEntry, Reference]], source: ImageSource) -> list[WantedImage]:
    for entry, _ in pairs:
        if entry.pattern:
            raise BadRequest(f"{entry.image}: patterns of tags need a registry")
    return [
        pin(entry, reference, platform, source) for entry, reference in pairs for platform in entry.platforms
    ]
