"""The images of a node: pre-deployed, in the node's cache, or pulled into it, exactly once."""

import errno
import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional

from wrappers import wire
from wrappers.containers import cvmfs, distrust, timed
from wrappers.containers.directory_cache import DirectoryCache, HeldDirectory
from wrappers.containers.errors import ContainerError, ImageMissing, UnsuitableNode, of_os
from wrappers.containers.reference import Reference, parse
from wrappers.containers.tree import remove

_FACTS = "pulled.json"
# Compressed layers lie there until they are unpacked, to about three times their size. An estimate: the
# check only spares a node the work that was going to fail.
_ROOM = 4


class ContainerDirectory(NamedTuple):
    """A container directory, ready to run."""

    path: Path
    origin: str  # cvmfs, cache, pulled
    received: int = 0  # bytes from the network
    warnings: List[str] = []
    taken: Optional[HeldDirectory] = None

    def release(self) -> None:
        """Let the cache remove the image again: the job has ended."""
        if self.taken is not None:
            self.taken.release()


class PullSummary(NamedTuple):
    """The summary of a pull."""

    received: int
    warnings: List[str]


_Make = Callable[[wire.Image, wire.Node, Optional[DirectoryCache], Path], PullSummary]


def ensure(image: wire.Image, node: wire.Node, private: Optional[Path] = None) -> ContainerDirectory:
    """Find the container directory of an image: pre-deployed, cached, or pulled now.

    When several ask for one image at once, one pulls and the others wait for it. Where the cache cannot be
    used, the image is pulled for this job alone into the directory `private`, which must not exist.

    Raises:
        ContainerError: UnsuitableNode when this node cannot keep or get it, others when nobody could.
    """
    if not image.digest:
        message = f"image {image.reference} is not at {image.path} here, and no registry has it"
        raise ImageMissing(message, "image-not-here")
    reference = None if image.url else parse(image.reference)._replace(digest=image.digest)
    deployed = _deployed(image, node, reference)
    if deployed.found is not None:
        return ContainerDirectory(deployed.found, "cvmfs", warnings=deployed.troubles)
    try:
        found = _from_cache(image, node, reference, private)
    except ContainerError as error:
        if deployed.troubles:  # it would not have been asked for
            error.args = (f"{error} ({'; '.join(deployed.troubles)})",)
        if deployed.troubles and not node.pull:
            error.cause = "mount"
        raise
    done = "taken from the cache" if found.origin == "cache" else "pulled"
    messages = [f"{trouble}; the image is {done}" for trouble in deployed.troubles]
    return found._replace(warnings=[*messages, *found.warnings])


def _deployed(image: wire.Image, node: wire.Node, reference: Optional[Reference]) -> cvmfs.Search:
    """Look for the image where it was deployed, unless it could not be read there lately."""
    if reference is None or not node.cvmfs:
        return cvmfs.Search(None, [])
    try:
        unreadable = distrust.why(_answering(node), image.digest) if node.pull else ""
    except OSError:
        unreadable = ""
    if unreadable:
        return cvmfs.Search(None, [unreadable])
    return cvmfs.find(node.cvmfs, reference, image.digest)


def distrusted(image: wire.Image, node: wire.Node, why: str) -> None:
    """Note that the image cannot be read where it was deployed: the jobs of the next hour take another."""
    try:
        distrust.note(_answering(node), image.digest, why)
    except OSError:
        pass  # then they find it out for themselves


def _from_cache(
    image: wire.Image, node: wire.Node, reference: Optional[Reference], private: Optional[Path]
) -> ContainerDirectory:
    """Take the image from the node's cache, into which it is pulled when it is not there.

    Raises:
        ContainerError: as `ensure`.
    """
    make = partial(_pull, reference) if reference else _unpack
    try:
        return _shared(image, node, make)
    except OSError as error:
        where = node.cache or "below the home directory"
        reason = f"the image cache {where} cannot be used ({error.strerror})"
        if private is None:
            raise of_os(error, f"{reason}: name a writable directory in the setting `cache`") from None
    except UnsuitableNode as error:
        if private is None or not _may_do_better(error, node, private):
            raise
        reason = str(error)
    try:
        done = make(image, node, None, private)
    except BaseException:
        remove(private)
        raise
    message = (
        f"{reason}: the image was pulled for this job alone; the setting `cache` names another directory"
    )
    return ContainerDirectory(private, "pulled", done.received, [message, *done.warnings])


def _shared(image: wire.Image, node: wire.Node, make: _Make) -> ContainerDirectory:
    """Take an image from the cache of the node, or put it there.

    Raises:
        OSError: the cache cannot be used: it cannot be written, or knows no locks.
    """
    cache = DirectoryCache(_answering(node))
    name = cvmfs.directory_name(image.digest)
    taken = cache.take(name, lambda into: make(image, node, cache, into))
    if taken.made is None:
        return ContainerDirectory(taken.path, "cache", taken=taken)
    return ContainerDirectory(taken.path, "pulled", taken.made.received, taken.made.warnings, taken)


def _may_do_better(error: UnsuitableNode, node: wire.Node, private: Path) -> bool:
    """Say whether the job's own file system may take the image that the one of the cache does not take."""
    if error.cause not in ("no-space", "file-size", "names", "forbidden", "read-only"):
        return False
    return os.stat(str(directory(node))).st_dev != os.stat(str(private.parent)).st_dev


def directory(node: wire.Node) -> Path:
    """Return where a node's cache is.

    Raises:
        OSError: nobody says where, and the account has no home directory.
    """
    home = os.path.expanduser("~")
    if not node.cache and not os.path.isabs(home):
        raise OSError(errno.ENOENT, "this account has no home directory")
    return Path(node.cache or os.path.join(home, ".cache", "boutiques-engine", "images"))


def _answering(node: wire.Node) -> Path:
    """Return where it is, once it was seen to answer: home directories are on NFS.

    Raises:
        OSError: it does not answer, or there is none.
    """
    location = directory(node)
    if not timed.responds(str(location)):
        raise timed.NoAnswer(timed.Limit.seconds)
    return location


def _unpack(image: wire.Image, node: wire.Node, cache: Optional[DirectoryCache], into: Path) -> PullSummary:
    if not node.pull and not image.url.startswith("file:"):
        raise UnsuitableNode(
            f"image {image.url} is not on this node, and the setting `pull` forbids to fetch it",
            "image-not-here",
        )
    from wrappers.containers import rootfs

    _make_room((image.size or 0) * _ROOM, node, cache, into)
    try:
        done = rootfs.unpack(image, into, authorities=node.authorities)
    except OSError as error:
        raise of_os(error, f"image {image.url} cannot be unpacked in {into}: {error.strerror}") from None
    facts = {"reference": image.url, "size": done.findings.size}
    (into / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return PullSummary(done.received, done.findings.warnings())


def _pull(
    reference: Reference, image: wire.Image, node: wire.Node, cache: Optional[DirectoryCache], into: Path
) -> PullSummary:
    if not node.pull:
        raise UnsuitableNode(
            f"image {image.reference} is not on this node, and the setting `pull` forbids to fetch it",
            "image-not-here",
        )
    # Only a pull needs the network; jobs that find their image need not load its modules.
    from wrappers.containers import credentials, pull
    from wrappers.containers.registry import RegistryClient

    client = RegistryClient(node.mirrors, credentials.load(node.credentials), authorities=node.authorities)
    resolved = client.resolve(reference)
    _make_room(resolved.size * _ROOM, node, cache, into)
    try:
        done = pull.pull(client, resolved, into)
    except OSError as error:
        raise of_os(
            error, f"image {image.reference} cannot be unpacked in {into}: {error.strerror}"
        ) from None
    facts = {"reference": reference.text, "size": done.findings.size}
    (into / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return PullSummary(done.received, done.findings.warnings())


def _make_room(needed: int, node: wire.Node, cache: Optional[DirectoryCache], into: Path) -> None:
    """Remove images that nobody uses, the longest unused first, until there is room."""
    if cache is not None:
        for name in cache.names():
            over = node.cache_size is not None and _total(cache) + needed > node.cache_size
            if shutil.disk_usage(str(into.parent)).free >= needed and not over:
                return
            cache.remove(name)
    free = shutil.disk_usage(str(into.parent)).free
    if free < needed:
        where = f"the image cache {directory(node)}" if cache is not None else str(into.parent)
        raise UnsuitableNode(
            f"{where} has {_megabytes(free)} free, the image needs about {_megabytes(needed)}: "
            "make room or name another directory in the setting `cache`",
            "no-space",
        )


def _total(cache: DirectoryCache) -> int:
    return sum(_size(cache.path(name)) for name in cache.names())


def _size(container: Path) -> int:
    try:
        return int(json.loads((container / _FACTS).read_text(encoding="utf-8"))["size"])
    except (OSError, ValueError, KeyError):
        return 0  # being removed by another process


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
