"""What is in a repository now, and what must be done to make it say something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cvmfs_deploy.create import ContainerRecord, read_record
from cvmfs_deploy.index import RECOVERED, Index, Name, PublishedImage, from_json
from cvmfs_deploy.layout import Layout, existing_links, existing_trees
from engine.errors import Unavailable
from wrappers.containers import cvmfs, platforms, udocker_format
from wrappers.containers.errors import InvalidReference
from wrappers.containers.platforms import USUAL_PLATFORM
from wrappers.containers.reference import parse


@dataclass(frozen=True, slots=True)
class PublishedRepository:
    """A repository, as it was looked at."""

    top: Path
    layout: Layout
    index: Index
    links: Mapping[str, str]
    """What is beside the store: where each link leads, and "" for what is no link."""
    trees: frozenset[str]
    """Names of directories in the store."""
    tools: frozenset[str]

    def has(self, digest: str) -> bool:
        """Say whether the directory of an image is there; it is complete when it is."""
        return cvmfs.directory_name(digest) in self.trees

    def container(self, digest: str) -> Path:
        """Return the container directory of an image."""
        return self.top / self.layout.image(digest)


@dataclass(frozen=True, slots=True)
class PublishTree:
    """A directory that is to be put into the repository."""

    staged: Path
    at: str
    like: str = ""
    """A directory of the repository that has most of it, for a template transaction."""
    borrowed: Mapping[bytes, bytes] = field(default_factory=dict)
    """Files that are not staged, by path, and where they are published."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one publication. Paths are relative to the top of the repository."""

    trees: tuple[PublishTree, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    unlinked: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Written last."""
    base: str | None = None
    """The generation of the index that they were made for; None when that was none, or could not be read."""

    def __bool__(self) -> bool:
        return bool(self.trees or self.links or self.unlinked or self.removed or self.files)


def look(top: Path, layout: Layout, rebuild: bool = False) -> PublishedRepository:
    """Read what is there; with `rebuild`, without its index.

    Raises:
        Unavailable: the index is damaged.
    """
    file = top / layout.index
    try:
        index = rebuilt(top, layout) if rebuild else from_json(file.read_bytes(), str(file))
    except FileNotFoundError:
        index = rebuilt(top, layout)
    links = {**existing_links(top, layout.root), **existing_links(top, layout.singularity)}
    links |= {**existing_links(top, layout.tools), **existing_links(top, layout.store)}
    return PublishedRepository(
        top,
        layout,
        index,
        links,
        frozenset(existing_trees(top, layout.store)),
        frozenset(existing_trees(top, f"{layout.tools}/{cvmfs.STORE}")),
    )


def changes(
    seen: PublishedRepository,
    new: Index,
    trees: tuple[PublishTree, ...] = (),
    rewrite: bool = False,
    sweep: bool = False,
) -> Changes:
    """Compute the changes that lead from what is there to what an index says.

    `rewrite` is for an index that could not be read: it is written in any case. `sweep` removes the trees
    that it does not know too.
    """
    wanted = links_of(seen.layout, new)
    before = links_of(seen.layout, seen.index)
    ours = {
        link for link, to in seen.links.items() if to and (link in before or _is_left(seen, new, link, to))
    }
    gone = [seen.layout.image(digest) for digest in seen.index.images.keys() - new.images.keys()]
    gone += [seen.layout.tools_image(digest) for digest in seen.index.tools.keys() - new.tools.keys()]
    if sweep:
        gone += unknown_trees(seen, new)
    differs = not new.same(seen.index) or not (seen.top / seen.layout.index).exists()
    found = Changes(
        trees=trees,
        links={link: to for link, to in wanted.items() if seen.links.get(link) != to},
        unlinked=tuple(sorted(ours - wanted.keys())),
        removed=tuple(sorted(gone)),
        base=None if rewrite else seen.index.generation,
    )
    if rewrite or found or (differs and (new.images or new.names or new.tools or seen.index.images)):
        data = new.to_json()
        files = {seen.layout.copy: data, seen.layout.index: data}
        return replace(found, files=files)
    return found


def rebuilt(top: Path, layout: Layout) -> Index:
    """Build an index from the records and links that are there, and from its copy.

    Where the copy cannot be read either, who wanted what, the past of names and the tools are lost.
    """
    last = _copy(top, layout)
    images: dict[str, PublishedImage] = {}
    for tree in sorted(existing_trees(top, layout.store)):
        record = read_record(top / layout.store / tree)
        if record and cvmfs.directory_name(record.digest) == tree:
            images[record.digest] = last.images.get(record.digest) or image_of(record)
    names = {key: name for key, name in last.names.items() if name.digest in images}
    for link, target in existing_links(top, layout.root).items():
        digest = target.removeprefix(f"{cvmfs.STORE}/").replace("-", ":", 1)
        key = link.rpartition("/")[2]
        if digest in images and _reference_of(key):
            known = last.names.get(key) or _recovered(key, images[digest])
            names[key] = known.model_copy(update={"digest": digest})
    there = existing_trees(top, f"{layout.tools}/{cvmfs.STORE}")
    tools = {key: one for key, one in last.tools.items() if cvmfs.directory_name(key) in there}
    current = last.tools_current if last.tools_current in tools else ""
    return Index(images=images, names=names, tools=tools, tools_current=current)


def _copy(top: Path, layout: Layout) -> Index:
    file = top / layout.copy
    try:
        return from_json(file.read_bytes(), str(file))
    except (OSError, Unavailable):
        return Index()


def _recovered(key: str, image: PublishedImage) -> Name:
    return Name(
        digest=image.digest,
        reference=_reference_of(key),
        platform=image.platform,
        since=image.published,
        lists=(RECOVERED,),
        grace=image.grace,
    )


def image_of(record: ContainerRecord, grace: float = 30 * 86400.0) -> PublishedImage:
    """Make an entry of the index from a container directory's own record."""
    shared = {name: getattr(record, name) for name in PublishedImage.model_fields if hasattr(record, name)}
    return PublishedImage(**shared, published=record.created, grace=grace)


def adopted(seen: PublishedRepository, now: float) -> Index:
    """Add to the index every image that a run published before it was killed, retired until it is named."""
    index = seen.index
    known = {cvmfs.directory_name(digest) for digest in index.images}
    for tree in sorted(seen.trees - known):
        record = read_record(seen.top / seen.layout.store / tree)
        if record and cvmfs.directory_name(record.digest) == tree:
            index = index.with_image(image_of(record).model_copy(update={"retired": now}))
    return index


def unknown_trees(seen: PublishedRepository, index: Index) -> list[str]:
    """Trees of the stores that an index does not know.

    A command that was killed, or that failed half-way, left them. What is not called by a digest is not ours.
    """
    store, tools = seen.layout.store, f"{seen.layout.tools}/{cvmfs.STORE}"
    known = {cvmfs.directory_name(digest) for digest in index.images}
    tools_known = {cvmfs.directory_name(digest) for digest in index.tools}
    unknown = [f"{store}/{name}" for name in seen.trees - known if _is_digest(name)]
    return sorted(unknown + [f"{tools}/{name}" for name in seen.tools - tools_known if _is_digest(name)])


def links_of(layout: Layout, index: Index) -> dict[str, str]:
    """List the links that an index asks for."""
    links = dict(layout.name_link(key, name.digest) for key, name in index.names.items())
    for name in index.names.values():
        if name.singularity:
            link, target = layout.singularity_link(name.singularity, name.digest)
            links[link] = target
    by_level = sorted(index.images.values(), key=lambda one: platforms.read(one.platform).level, reverse=True)
    for image in by_level:  # of variants the lowest, which is the last, as the nodes take it themselves
        if image.index:
            links.update([layout.index_link(image.index, image.platform, image.digest)])
    if index.tools_current:
        link, target = layout.tools_link(index.tools_current)
        links[link] = target
    return links


def _is_left(seen: PublishedRepository, new: Index, link: str, target: str) -> bool:
    """Say whether a link that the index does not know was left by a run that was killed.

    Others may have made links of their own: those in our words that lead into the store are ours, and those
    of VIP's once they lead nowhere.
    """
    directory, _, name = link.rpartition("/")
    if directory == seen.layout.root:
        return target.startswith(f"{cvmfs.STORE}/sha256-") and bool(_reference_of(name))
    if directory == seen.layout.singularity and target.endswith(f"/{udocker_format.ROOT}"):
        tree = target.removesuffix(f"/{udocker_format.ROOT}").rpartition("/")[2]
        return _is_digest(tree) and tree.replace("-", ":", 1) not in new.images
    return False


def _is_digest(name: str) -> bool:
    return name.startswith("sha256-") and len(name) == len("sha256-") + 64


def _reference_of(name: str) -> str:
    """Find the reference that a readable name was made from (see `wrappers.containers.cvmfs`); "" if none."""
    base, at, tag = name.rpartition("@")
    tag, _, platform = tag.partition("+")
    text = base.replace("+", "/").replace("@", ":")
    try:
        found = parse(f"{text}@{tag.replace('-', ':', 1)}" if _is_digest(tag) else f"{text}:{tag}")
    except InvalidReference:
        return ""
    made = cvmfs.name_for(found, platform.replace("+", "/") or USUAL_PLATFORM)
    return found.text if at and made == name else ""
