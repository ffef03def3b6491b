"""`cvmfs-deploy sync` and `plan`: a repository as a wish-list has it, and what that would take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cvmfs_deploy.cli import outcome, show
from cvmfs_deploy.cli.prune import remove_expired
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.deploy import PublishDestination
from cvmfs_deploy.failures import exit_code, translated
from cvmfs_deploy.index import Index
from cvmfs_deploy.layers import Layers
from cvmfs_deploy.plan import DeployPlan, make
from cvmfs_deploy.sources.registry import RegistrySource
from cvmfs_deploy.wanted import resolve
from cvmfs_deploy.wishlist import WishList, from_descriptors, load
from engine.errors import BadRequest
from engine.units import size_text

ListArgument = Annotated[Path | None, typer.Argument(help="The wish-list, a YAML file.")]
Descriptors = Annotated[
    Path | None, typer.Option("--from-descriptors", help="Every image that the descriptors below it name.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command(
    wishlist: ListArgument = None,
    descriptors: Descriptors = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Then remove what was retired long enough ago.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish what the list names and is not there, move names to new digests, retire what it names no more.

    What stays as it is costs one question to the registry; when nothing changed, nothing is written.
    """
    wish_list = _wishes(wishlist, descriptors)
    destination = session.destination()
    with destination.exclusively():
        plan = _plan(destination, wish_list)
        try:
            outcome.do(destination, plan, as_json)
        finally:
            if prune:
                remove_expired(destination, None)


def plan(wishlist: ListArgument = None, descriptors: Descriptors = None, as_json: AsJson = False) -> None:
    """Say what sync would do: images to publish, names to move and to retire, bytes to fetch."""
    wish_list = _wishes(wishlist, descriptors)
    destination = session.destination(logged=False)
    made = _plan(destination, wish_list)
    index = destination.look().index
    if as_json:
        show.json_document(_document(destination, made, index))
    else:
        _show(made, index, _to_fetch(destination, made))
    raise typer.Exit(exit_code(made.failures, len(made.names or {})))


def _document(destination: PublishDestination, made: DeployPlan, index: Index) -> dict[str, object]:
    moves = _moves(made, index)
    return {
        "publish": [
            {
                "image": wanted.reference.text,
                "digest": wanted.image.digest,
                "platform": wanted.platform,
                "bytes": wanted.image.size,
            }
            for wanted in made.create
        ],
        "names": moves,
        "retire": list(made.retire),
        "held": list(made.held),
        "unchanged": len(made.names or {}) - len(moves),
        "fetch": _to_fetch(destination, made),
        "prune": index.expired(destination.clock.now()),
        "failures": [{"image": one.what, "reason": str(one.error)} for one in made.failures],
    }


def _show(made: DeployPlan, index: Index, fetch: int) -> None:
    moves = _moves(made, index)
    rows = [
        ("publish", wanted.reference.text, show.short(wanted.image.digest), size_text(wanted.image.size))
        for wanted in made.create
    ]
    rows += [("name", key, show.short(digest), "") for key, digest in moves.items()]
    rows += [("retire", key, *_image(index, key)) for key in made.retire]
    rows += [("held", key, show.short(index.names[key].digest), "") for key in made.held]
    show.table(("action", "what", "digest", "bytes"), rows)
    for one in made.failures:
        show.say(f"cvmfs-deploy: {one.error}")
    unchanged = len(made.names or {}) - len(moves)
    show.note(
        f"{show.counted(len(made.create), 'image')} to publish, {size_text(fetch)} to fetch, "
        f"{show.counted(unchanged, 'name as it is', 'names as they are')}"
    )


def _image(index: Index, key: str) -> tuple[str, str]:
    """Digest and size of what a name leads to."""
    digest = index.names[key].digest
    image = index.images.get(digest)
    return show.short(digest), size_text(image.size) if image else ""


def _moves(made: DeployPlan, index: Index) -> dict[str, str]:
    """Compute the names that would change, and what they would mean."""
    before = {key: name.digest for key, name in index.names.items()}
    return {key: name.digest for key, name in (made.names or {}).items() if before.get(key) != name.digest}


def _wishes(wishlist: Path | None, descriptors: Path | None) -> WishList:
    if (wishlist is None) == (descriptors is None):
        raise BadRequest("either a wish-list or --from-descriptors DIRECTORY is needed")
    if wishlist is not None:
        return load(wishlist)
    wish_list, passed = from_descriptors(descriptors or Path())
    for line in passed:
        show.say(f"cvmfs-deploy: {line}")
    return wish_list


def _plan(destination: PublishDestination, wish_list: WishList) -> DeployPlan:
    with translated():
        registry = RegistrySource(destination.settings)
    return make(destination.look(), resolve(wish_list.entries(), registry), wish_list.name, destination.now)


def _to_fetch(destination: PublishDestination, made: DeployPlan) -> int:
    """Bytes of layers that are not in the cache."""
    layers = Layers(destination.settings.work / "layers", 1)
    return sum(layer.size for layer in made.layers().values() if not layers.has(layer))
