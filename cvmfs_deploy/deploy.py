"""A plan is carried out: images are made, published in batches, and the index says so in the end."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cvmfs_deploy import log
from cvmfs_deploy.create import TOOL, ContainerRecord, CreatedContainer, base_of, create
from cvmfs_deploy.failures import ImageFailure, translated
from cvmfs_deploy.index import Index
from cvmfs_deploy.layers import Layers, Progress, trim
from cvmfs_deploy.layout import Layout
from cvmfs_deploy.lock import locked
from cvmfs_deploy.plan import Batch, DeployPlan, moved, next_batch, retired
from cvmfs_deploy.publish.base import ContentRefused, Publisher
from cvmfs_deploy.published import (
    Changes,
    PublishedRepository,
    PublishTree,
    adopted,
    changes,
    image_of,
    links_of,
    look,
)
from cvmfs_deploy.settings import DeploySettings
from cvmfs_deploy.wanted import WantedImage
from engine.clock import Clock, SystemClock, iso
from engine.errors import EngineError, Unavailable
from engine.terminal import counted
from engine.units import size_text
from wrappers.containers import cvmfs
from wrappers.containers.errors import CorruptImage
from wrappers.containers.tree import remove

_ROOM = (
    4  # bytes on disk for a byte of compressed layers, an estimate: the layers, and trees of three times that
)


@dataclass(frozen=True, slots=True)
class PublishDestination:
    """The destination of this run."""

    settings: DeploySettings
    publisher: Publisher
    layout: Layout
    clock: Clock = field(default_factory=SystemClock)
    _said: list[Index] = field(default_factory=list)
    """What this run published last: through a gateway, this machine may not mount it yet."""

    @property
    def now(self) -> str:
        """The time, as it is written down."""
        return iso(self.clock.now())

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Be the only run for the block, at a destination that is ready.

        Raises:
            Unavailable: another run is at work, or the destination is out of order.
        """
        with translated_os(self.settings.work), locked(self.publisher.lock, self.settings.wait):
            self.publisher.check()
            yield

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Keep others from publishing for the block: they would wait for whoever reads there.

        Raises:
            Unavailable: a run is at work.
        """
        with locked(self.publisher.lock, self.settings.wait, shared=True):
            yield

    def look(self) -> PublishedRepository:
        """Read what is there now, with what an earlier run could not write into the index any more."""
        seen = self._look()
        return replace(seen, index=adopted(seen, self.clock.now()))

    def _look(self, rebuild: bool = False) -> PublishedRepository:
        seen = look(self.publisher.top, self.layout, rebuild)
        said = self._said[0] if self._said and not rebuild else seen.index
        if said.generation == seen.index.generation:
            return seen
        trees = frozenset(map(cvmfs.directory_name, said.images))
        tools = frozenset(map(cvmfs.directory_name, said.tools))
        return replace(seen, index=said, links=links_of(self.layout, said), trees=trees, tools=tools)

    def publish(
        self, index: Index, trees: tuple[PublishTree, ...] = (), rebuild: bool = False, sweep: bool = False
    ) -> Changes:
        """Make the destination say what an index says; returns what that took, which may be nothing.

        `rebuild` is for an index that cannot be read any more; `sweep` removes trees that no index knows.
        """
        stamped = index.with_named_images(self.clock.now()).model_copy(
            update={"generation": uuid.uuid4().hex, "written": self.now, "tool": TOOL}
        )
        needed = changes(self._look(rebuild), stamped, trees, rewrite=rebuild, sweep=sweep)
        if needed:
            self.publisher.publish(needed)
            self._said[:] = [stamped] if needed.files else self._said
        return needed


@dataclass(slots=True)
class DeployOutcome:
    """The outcome of a run."""

    published: list[ContainerRecord] = field(default_factory=list)
    changes: list[Changes] = field(default_factory=list)
    failures: list[ImageFailure] = field(default_factory=list)
    received: int = 0


def carry_out(
    destination: PublishDestination, plan: DeployPlan, progress: Progress = lambda more: None
) -> DeployOutcome:
    """Do what a plan says; whatever fails, the rest is done. The caller holds the destination exclusively."""
    outcome = DeployOutcome(failures=list(plan.failures))
    seen = destination.look()
    index, there = seen.index, seen.trees
    left = list(plan.create)
    directory = destination.settings.work / "layers"
    with translated_os(directory), Layers(directory, destination.settings.transfers, progress) as layers:
        while left:
            batch = next_batch(
                left, index, destination.publisher.template_share, destination.settings.batch_size, there
            )
            left = [wanted for wanted in left if wanted not in batch.images]
            staged = _stage(destination, batch, layers, outcome)
            index = _publish(destination, plan, index, staged, outcome, last=not left)
        outcome.received = layers.received
    if not plan.create:
        _publish(destination, plan, index, [], outcome, last=True)
    trim(directory, destination.settings.cache_size)
    return outcome


@dataclass(frozen=True, slots=True)
class _Staged:
    tree: PublishTree
    record: ContainerRecord
    grace: float


def _stage(
    destination: PublishDestination, batch: Batch, layers: Layers, outcome: DeployOutcome
) -> list[_Staged]:
    try:
        _check_room(destination, batch, layers)
    except Unavailable as error:
        outcome.failures += [ImageFailure(wanted.reference.text, error) for wanted in batch.images]
        return []
    with ThreadPoolExecutor(destination.settings.parallel, thread_name_prefix="image") as pool:
        tried = list(pool.map(lambda wanted: _try(destination, wanted, batch.like, layers), batch.images))
    outcome.failures += [one for one in tried if isinstance(one, ImageFailure)]
    return [one for one in tried if isinstance(one, _Staged)]


def _try(
    destination: PublishDestination, wanted: WantedImage, like: str, layers: Layers
) -> _Staged | ImageFailure:
    name = cvmfs.directory_name(wanted.image.digest)
    into = destination.publisher.staging / name
    try:
        with translated(wanted.reference.text), translated_os(into):
            made = _make(destination, wanted, like, layers, into)
            record = made.record
    except EngineError as error:
        log.error("image failed", image=wanted.reference.text, reason=error.message)
        return ImageFailure(wanted.reference.text, error)
    log.info("image made", image=wanted.reference.text, digest=record.digest, size=size_text(record.size))
    for change in record.changes:
        log.info("image changed", image=wanted.reference.text, change=str(change))
    at, template = destination.layout.image(record.digest), destination.layout.image(like) if like else ""
    tree = PublishTree(into, at, template, made.borrowed)
    return _Staged(tree, record, wanted.grace)


def _make(
    destination: PublishDestination, wanted: WantedImage, like: str, layers: Layers, into: Path
) -> CreatedContainer:
    """Make the tree of an image: from the published one that it begins with, if that can be done."""
    base = base_of(destination.publisher.top / destination.layout.image(like), wanted.image) if like else None
    while True:
        remove(into)
        try:
            return create(
                wanted.source,
                wanted.image,
                wanted.platform,
                layers,
                into,
                destination.now,
                destination.publisher.catalog_entries,
                base,
            )
        except CorruptImage:  # what is left out of a published tree may be missed
            if base is None:
                raise
            base = None


def _publish(
    destination: PublishDestination,
    plan: DeployPlan,
    index: Index,
    staged: list[_Staged],
    outcome: DeployOutcome,
    last: bool,
) -> Index:
    """Publish what was made, and the names that can be set; returns the index that holds then."""

    def said(these: list[_Staged]) -> Index:
        said = index
        for one in these:
            said = said.with_image(image_of(one.record, one.grace))
        said = moved(said, plan)
        return retired(said, plan) if last else said

    try:
        done = destination.publish(said(staged), tuple(one.tree for one in staged))
    except ContentRefused as error:
        if len(staged) <= 1:
            _refused(staged, error, outcome, plan)
            return index
        log.warning("the batch was refused, its images are published one by one", reason=error.message)
        for number, one in enumerate(staged):
            index = _publish(destination, plan, index, [one], outcome, last and number + 1 == len(staged))
        return index
    except EngineError as error:
        _refused(staged, error, outcome, plan)
        return index
    for one in staged:
        log.info(
            "image published",
            image=one.record.reference,
            digest=one.record.digest,
            to=destination.publisher.name,
        )
    outcome.published += [one.record for one in staged]
    if done:
        outcome.changes.append(done)
    return destination.look().index


def _refused(staged: list[_Staged], error: EngineError, outcome: DeployOutcome, plan: DeployPlan) -> None:
    log.error("publication failed", reason=error.message)
    names = [one.record.reference for one in staged] or [plan.wish]
    outcome.failures += [ImageFailure(name, error) for name in names]
    for one in staged:
        remove(one.tree.staged)


def _check_room(destination: PublishDestination, batch: Batch, layers: Layers) -> None:
    blobs = {layer.digest: layer for wanted in batch.images for layer in wanted.image.layers}
    needed = sum(layer.size for layer in blobs.values()) * (_ROOM - 1)
    needed += sum(layer.size for layer in blobs.values() if not layers.has(layer))
    staging = destination.publisher.staging
    staging.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(staging).free
    if free < needed:
        raise Unavailable(
            f"{staging} has {size_text(free)} free, "
            f"{counted(len(batch.images), 'image needs', 'images need')} {size_text(needed)}",
            remedy="make room, or set a smaller batch_size or another work directory",
        )


@contextmanager
def translated_os(where: Path) -> Iterator[None]:
    """Turn what the file system says into one line.

    Raises:
        Unavailable: with its reason.
    """
    try:
        yield
    except OSError as error:
        path = os.fsdecode(error.filename) if error.filename else where
        raise Unavailable(f"{path}: {error.strerror or error}", remedy="mend it and run it again") from None
