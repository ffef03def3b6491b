"""The images of a node: pre-deployed, in the node's cache, or pulled into it, exactly once."""

import json
import os
import shutil
from pathlib import Path
from typing import List, NamedTuple, Optional

from wrappers import wire
from wrappers.containers import cvmfs
from wrappers.containers.errors import ImageMissing, NodeTrouble
from wrappers.containers.reference import Reference, parse
from wrappers.containers.shelf import Shelf, Taken

_FACTS = "pulled.json"
# Compressed layers lie there until they are unpacked, to about three times their size. An estimate: the
# check only spares a node the work that was going to fail.
_ROOM = 4


class Found(NamedTuple):
    """A container directory, ready to run."""

    path: Path
    origin: str  # cvmfs, cache, pulled
    received: int = 0  # bytes from the network
    warnings: List[str] = []
    taken: Optional[Taken] = None

    def release(self) -> None:
        """The job has ended: the cache may remove the image again."""
        if self.taken is not None:
            self.taken.release()


class Pulled(NamedTuple):
    """What a pull did."""

    received: int
    warnings: List[str]


def ensure(image: wire.Image, node: wire.Node) -> Found:
    """The container directory of an image: pre-deployed, cached, or pulled now.

    When several ask for one image at once, one pulls and the others wait for it.

    Raises:
        ContainerError: NodeTrouble when this node cannot keep or get it, others when nobody could.
    """
    if not image.digest:
        raise ImageMissing(f"image {image.reference} is not at {image.path} here, and no registry has it")
    reference = None if image.url else parse(image.reference)._replace(digest=image.digest)
    deployed = cvmfs.find(node.cvmfs, reference, image.digest) if reference else None
    if deployed is not None:
        return Found(deployed, "cvmfs")
    top = directory(node)
    shelf = Shelf(top)
    try:
        taken = shelf.take(
            cvmfs.directory_name(image.digest),
            lambda into: (
                _pull(reference, image, node, shelf, into) if reference else _unpack(image, node, shelf, into)
            ),
        )
    except OSError as error:
        raise NodeTrouble(
            f"the image cache {top} cannot be used ({error.strerror}): name a writable directory in the "
            "setting `cache`"
        ) from None
    if taken.made is None:
        return Found(taken.path, "cache", taken=taken)
    return Found(taken.path, "pulled", taken.made.received, taken.made.warnings, taken)


def directory(node: wire.Node) -> Path:
    """Where a node's cache is."""
    return Path(node.cache or os.path.join(os.path.expanduser("~"), ".cache", "grid-engine", "images"))


def _unpack(image: wire.Image, node: wire.Node, shelf: Shelf, into: Path) -> Pulled:
    if not node.pull and not image.url.startswith("file:"):
        raise NodeTrouble(
            f"image {image.url} is not on this node, and the setting `pull` forbids to fetch it"
        )
    from wrappers.containers import rootfs

    _make_room((image.size or 0) * _ROOM, node, shelf)
    try:
        done = rootfs.unpack(image, into, authorities=node.authorities)
    except OSError as error:
        raise NodeTrouble(f"image {image.url} cannot be unpacked in {into}: {error.strerror}") from None
    facts = {"reference": image.url, "size": done.findings.size}
    (into / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return Pulled(done.received, done.findings.warnings())


def _pull(reference: Reference, image: wire.Image, node: wire.Node, shelf: Shelf, into: Path) -> Pulled:
    if not node.pull:
        raise NodeTrouble(
            f"image {image.reference} is not on this node, and the setting `pull` forbids to fetch it"
        )
    # Only a pull needs the network; jobs that find their image need not load its modules.
    from wrappers.containers import credentials, pull
    from wrappers.containers.registry import Client

    client = Client(node.mirrors, credentials.load(node.credentials), authorities=node.authorities)
    resolved = client.resolve(reference)
    _make_room(resolved.size * _ROOM, node, shelf)
    try:
        done = pull.pull(client, resolved, into)
    except OSError as error:
        raise NodeTrouble(f"image {image.reference} cannot be unpacked in {into}: {error.strerror}") from None
    facts = {"reference": reference.text, "size": done.findings.size}
    (into / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return Pulled(done.received, done.findings.warnings())


def _make_room(needed: int, node: wire.Node, shelf: Shelf) -> None:
    """Remove images that nobody uses, the longest unused first, until there is room."""
    top = directory(node)
    for name in shelf.names():
        over = node.cache_size is not None and _total(shelf) + needed > node.cache_size
        if shutil.disk_usage(str(top)).free >= needed and not over:
            return
        shelf.remove(name)
    free = shutil.disk_usage(str(top)).free
    if free < needed:
        raise NodeTrouble(
            f"the image cache {top} has {_megabytes(free)} free, the image needs about {_megabytes(needed)}: "
            "make room or name another directory in the setting `cache`"
        )


def _total(shelf: Shelf) -> int:
    return sum(_size(shelf.path(name)) for name in shelf.names())


def _size(container: Path) -> int:
    try:
        return int(json.loads((container / _FACTS).read_text(encoding="utf-8"))["size"])
    except (OSError, ValueError, KeyError):
        return 0  # being removed by another process


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
