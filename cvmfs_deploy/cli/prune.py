"""`cvmfs-deploy retire`, `rollback`, `prune`: names that go, or go back; images that nobody names."""

from __future__ import annotations

from typing import Annotated

import typer

from cvmfs_deploy import log
from cvmfs_deploy.cli import show
from cvmfs_deploy.cli.session import session
from cvmfs_deploy.deploy import PublishDestination
from cvmfs_deploy.index import Index
from cvmfs_deploy.published import unknown_trees
from cvmfs_deploy.units import seconds_of
from cvmfs_deploy.wishlist import BY_HAND
from engine.errors import BadRequest, NotFound
from engine.units import size_text

_TOOLS_GRACE_S = 30 * 86400.0  # seconds
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def retire(
    images: Annotated[list[str], typer.Argument(help="Names, references or digests of published images.")],
    as_json: AsJson = False,
) -> None:
    """Take images out of use: their names go at once, their trees after the grace time (`prune`)."""
    destination = session.destination()
    with destination.exclusively():
        index = destination.look().index
        gone = {key: index.names[key] for words in images for key in find(index, words)}
        for key in gone:
            index = index.without_name(key)
        destination.publish(index)
    for key, name in gone.items():
        log.info("name retired", name=key, digest=name.digest)
        if lists := [one for one in name.lists if one != BY_HAND]:
            show.say(
                f"cvmfs-deploy: {key}: {', '.join(lists)} still names it: the next sync publishes it again"
            )
    if as_json:
        show.json_document({"retired": sorted(gone)})


def rollback(
    image: Annotated[str, typer.Argument(help="The name or reference of a published image.")],
    as_json: AsJson = False,
) -> None:
    """Let a name mean again what it meant before, and hold it there until `add` lets it go on."""
    destination = session.destination()
    with destination.exclusively():
        index = destination.look().index
        keys = find(index, image)
        if len(keys) != 1:
            raise BadRequest(f"{image} has several names: {', '.join(keys)}", remedy="give one of them")
        before = index.names[keys[0]].digest
        index = index.rolled_back(keys[0], destination.now)
        destination.publish(index)
    now = index.names[keys[0]].digest
    log.info("name rolled back", name=keys[0], digest=now, before=before)
    if as_json:
        show.json_document({"name": keys[0], "digest": now, "before": before})


def prune(
    grace: Annotated[str, typer.Option(help="Instead of each image's own grace time, like 0d.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove images that no name has led to for their grace time, and trees that the index does not know."""
    try:
        seconds = seconds_of(grace) if grace else None
    except ValueError as error:
        raise BadRequest(f"--grace {grace}: {error}") from None
    destination = session.destination()
    if dry_run:
        seen = destination.look()
        index = seen.index.with_named_images(destination.clock.now())
        gone = [*_expired(destination, index, seconds), *_digests(unknown_trees(seen, index))]
    else:
        with destination.exclusively():
            index, gone = remove_expired(destination, seconds)
    freed = sum(index.images[digest].size for digest in gone if digest in index.images)
    if as_json:
        show.json_document({"removed": gone, "bytes": freed, "dry_run": dry_run})
    else:
        verb = "would be removed" if dry_run else "removed"
        show.note(f"{show.counted(len(gone), 'image')} {verb}, {size_text(freed)}")


def remove_expired(destination: PublishDestination, grace: float | None) -> tuple[Index, list[str]]:
    """Remove what has been retired long enough; returns the index before, and the digests."""
    seen = destination.look()
    index = seen.index.with_named_images(destination.clock.now())
    gone = _expired(destination, index, grace)
    unknown = unknown_trees(seen, index)
    if gone or unknown:
        destination.publish(index.without_images(gone), sweep=True)
        for digest in gone:
            log.info("image removed", digest=digest)
        for tree in unknown:
            log.info("tree removed that the index does not know", tree=tree)
    return index, [*gone, *_digests(unknown)]


def _digests(trees: list[str]) -> list[str]:
    return [tree.rpartition("/")[2].replace("-", ":", 1) for tree in trees]


def _expired(destination: PublishDestination, index: Index, grace: float | None) -> list[str]:
    now = destination.clock.now()
    tools = index.expired_tools(now, _TOOLS_GRACE_S if grace is None else grace)
    return [*index.expired(now, grace), *tools]


def find(index: Index, words: str) -> list[str]:
    """Find the names of published images that a user means.

    Raises:
        NotFound: there is none.
    """
    from wrappers.containers.errors import InvalidReference
    from wrappers.containers.reference import parse

    found = index.find(words)
    if not found:
        try:
            found = index.find(parse(words).text)
        except InvalidReference:
            found = []
    if not found:
        raise NotFound(f"no published image is called {words}", remedy="see cvmfs-deploy list")
    return found
