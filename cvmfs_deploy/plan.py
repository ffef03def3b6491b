"""What a list asks for against what is published: what to make, which names to move, what to retire. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cvmfs_deploy.borrowed import shared
from cvmfs_deploy.failures import ImageFailure
from cvmfs_deploy.index import Index, Name
from cvmfs_deploy.published import PublishedRepository, links_of
from cvmfs_deploy.wanted import ResolvedList, WantedImage
from cvmfs_deploy.wishlist import BY_HAND
from engine.errors import BadRequest
from wrappers.containers import cvmfs
from wrappers.containers.blobs import Blob
from wrappers.containers.reference import parse


@dataclass(frozen=True, slots=True)
class DeployPlan:
    """A plan of what is to be done. Nothing in it is done yet."""

    create: tuple[WantedImage, ...] = ()
    """Images whose trees are not there, each once."""
    names: Mapping[str, Name] | None = None
    """What names shall mean; those that mean it already are here too."""
    retire: tuple[str, ...] = ()
    """Names that the list has no more."""
    wish: str = BY_HAND
    held: tuple[str, ...] = ()
    """Names that were rolled back by hand, and stay where they are."""
    failures: tuple[ImageFailure, ...] = ()

    def layers(self) -> dict[str, Blob]:
        """Collect the layers of all new images, each once."""
        return {layer.digest: layer for wanted in self.create for layer in wanted.image.layers}


@dataclass(frozen=True, slots=True)
class Batch:
    """Images that are published together."""

    images: tuple[WantedImage, ...]
    like: str = ""
    """The digest of a published image that shares most of the only one."""


def make(
    seen: PublishedRepository,
    asked: ResolvedList,
    list_name: str,
    now: str,
    complete: bool = True,
    again: bool = False,
) -> DeployPlan:
    """Compare.

    Args:
        seen: what is published.
        asked: what the list means today.
        wish: the name of the list.
        now: the time, for names that are new.
        complete: whether names of the list that are not in `asked` are to be retired.
        again: make images anew that are there already.
    """
    names: dict[str, Name] = {}
    create: dict[str, WantedImage] = {}
    failures = list(asked.failures)
    held = []
    taken = {name.singularity: key for key, name in seen.index.names.items() if name.singularity}
    for wanted in asked.wanted:
        if problem := _collision(seen, wanted, taken):
            failures.append(ImageFailure(wanted.reference.text, problem))
            continue
        if wanted.singularity:
            taken[wanted.singularity] = wanted.name
        old = seen.index.names.get(wanted.name)
        name = _name(wanted, list_name, now)
        if old and old.held and list_name != BY_HAND and old.digest != name.digest:
            held.append(wanted.name)
            names[wanted.name] = name.model_copy(update={"digest": old.digest})
            continue
        names[wanted.name] = name
        if again or not seen.has(name.digest) or name.digest not in seen.index.images:
            create.setdefault(name.digest, wanted)
    gone = _gone(seen.index, asked, list_name) if complete else ()
    return DeployPlan(tuple(create.values()), names, tuple(gone), list_name, tuple(held), tuple(failures))


def moved(index: Index, plan: DeployPlan) -> Index:
    """Add to the index every name of the plan whose image is there."""
    for key, name in (plan.names or {}).items():
        if name.digest in index.images:
            index = index.with_name(key, name)
    return index


def retired(index: Index, plan: DeployPlan) -> Index:
    """Remove from the index the names that the list has no more."""
    for key in plan.retire:
        if key in index.names:
            index = index.unwanted(key, plan.wish)
    return index


def next_batch(
    left: Sequence[WantedImage], index: Index, share: float, most: int, there: Collection[str] = ()
) -> Batch:
    """Choose the images that are published next, of those that are left.

    An image of which enough is published is a template transaction of its own, unless its directory is among
    those that are `there`: nothing is cloned onto what exists. The others go together up to `most` bytes of
    layers, except those that would share enough with one of them: their turn comes later.
    """
    chosen: list[WantedImage] = []
    size = 0
    for wanted in left:
        is_new = cvmfs.directory_name(wanted.image.digest) not in there
        published = {digest: image.layers for digest, image in index.images.items() if is_new}
        like = nearest(wanted, published, share)
        if like:
            if not chosen:
                return Batch((wanted,), like)
            continue
        if is_new and nearest(
            wanted, {one.image.digest: [b.digest for b in one.image.layers] for one in chosen}, share
        ):
            continue
        if chosen and size + wanted.image.size > most:
            break
        chosen.append(wanted)
        size += wanted.image.size
    return Batch(tuple(chosen))


def nearest(wanted: WantedImage, others: Mapping[str, Sequence[str]], share: float) -> str:
    """Find the image, given by its layers, that has the largest part of the wanted one; "" below `share`."""
    layers = wanted.image.layers
    total = sum(layer.size for layer in layers) or 1
    parts = {
        digest: sum(layer.size for layer in layers if layer.digest in set(theirs)) / total
        for digest, theirs in others.items()
    }
    digests = [layer.digest for layer in layers]
    best = max(parts, key=lambda one: (parts[one], shared(digests, others[one])), default="")
    return best if best and parts[best] >= share else ""


def _name(wanted: WantedImage, list_name: str, now: str) -> Name:
    return Name(
        digest=wanted.image.digest,
        reference=wanted.reference.text,
        platform=wanted.platform,
        since=now,
        lists=(list_name,),
        grace=wanted.grace,
        singularity=wanted.singularity,
    )


def _collision(seen: PublishedRepository, wanted: WantedImage, taken: Mapping[str, str]) -> BadRequest | None:
    """Why the image cannot have its names."""
    ours = links_of(seen.layout, seen.index)
    links = [seen.layout.name_link(wanted.name, wanted.image.digest)[0]]
    if wanted.singularity:
        if taken.get(wanted.singularity, wanted.name) != wanted.name:
            return BadRequest(
                f"{wanted.reference.text}: {seen.layout.singularity}/{wanted.singularity} is already a link "
                f"of {taken[wanted.singularity]}",
                remedy="leave the layout singularity out for one of them",
            )
        links.append(seen.layout.singularity_link(wanted.singularity, wanted.image.digest)[0])
    for link in links:
        target = seen.links.get(link)
        if target is not None and link not in ours and "/sha256-" not in target:
            return BadRequest(
                f"{wanted.reference.text}: {seen.top / link} is there and was not made by this program",
                remedy="move it away",
            )
    return None


def _gone(index: Index, asked: ResolvedList, list_name: str) -> Iterable[str]:
    named = {wanted.name for wanted in asked.wanted}
    for key, name in index.names.items():
        if list_name in name.lists and key not in named and not _is_unknown(name, asked):
            yield key


def _is_unknown(name: Name, asked: ResolvedList) -> bool:
    """Say whether the registry could not be asked for it, so that its absence means nothing."""
    return parse(name.reference)[:2] in asked.unknown
