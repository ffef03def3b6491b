"""The image of a job on this node, as the runtimes ask for it."""

import os
import re
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, TypeVar

from wrappers import wire
from wrappers.containers import cache, integrity, timed, udocker_format
from wrappers.containers.errors import ContainerError, CorruptImage, UnsuitableNode
from wrappers.containers.tree import inside, remove
from wrappers.runtimes import site, start
from wrappers.runtimes.base import ImageError, JobSpec, UnreadableImage, Unusable
from wrappers.runtimes.resolver import resolver_file

TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - the names inside, where the job's own directory is shown
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_BOURNE = ("sh", "ash", "bash", "dash", "ksh", "mksh", "zsh")
_AS_CHILD = '"$0" "$1"; exit $?'


T = TypeVar("T")


class ImageTree(NamedTuple):
    """An unpacked image."""

    container: Path  # a udocker container directory
    root: Path
    settings: udocker_format.ImageConfig
    found: cache.ContainerDirectory

    @property
    def is_remote(self) -> bool:
        """Whether it lies on CVMFS, or wherever the site keeps images: a network file system, mostly."""
        return self.found.origin in ("cvmfs", "site")

    def look(self, action: Callable[[Callable[[], None]], T]) -> T:
        """Look at the tree, in a child with a limit of time where it is remote (see `timed.in_time`).

        Raises:
            Unreadable: it does not answer, or cannot be read.
        """
        if not self.is_remote:
            return action(_nobody)
        try:
            result: T = timed.in_time(action)
            return result
        except OSError as error:
            raise UnreadableImage(timed.error_text(str(self.container), error)) from None

    def tried(self, trial: Callable[[], str]) -> str:
        """Run a functional probe of the tree, which may not answer (see `probe.once`).

        Raises:
            Unreadable: it does not.
        """
        try:
            return trial()
        except timed.NoAnswer as error:
            raise UnreadableImage(timed.error_text(str(self.container), error)) from None


class JobImage:
    """The job's image: fetched at most once, whichever runtimes ask for it."""

    def __init__(self, job: JobSpec, node: wire.Node) -> None:
        self._job, self._node = job, node
        self._tree: Optional[ImageTree] = None
        self._given_up: List[str] = []

    @property
    def pinned(self) -> wire.Image:
        """What the manifest asks for.

        Raises:
            Unusable: the job has no image, and a container runtime was asked.
        """
        if self._job.manifest.image is None:
            raise Unusable("the job has no container image")
        return self._job.manifest.image

    @property
    def in_registry(self) -> wire.Image:
        """What an engine that pulls by itself is to pull.

        Raises:
            Unusable: it is in no registry.
        """
        if self.pinned.url or not self.pinned.digest:
            raise Unusable(f"image {self.pinned.url or self.pinned.path} is in no registry")
        return self.pinned

    def tree(self) -> ImageTree:
        """Find the unpacked image: where the descriptor says, from CVMFS, the node's cache, or pulled now.

        Raises:
            Unusable: this node cannot get or keep it.
            ImageError: nobody could.
        """
        if self._tree is None:
            try:
                found = self._from_site() or cache.ensure(
                    self.pinned, self._node, self._job.private / "image"
                )
                if self._given_up:
                    found = found._replace(warnings=[*self._given_up, *found.warnings])
                settings = _settings(found)
            except UnsuitableNode as error:
                raise Unusable(str(error), error.cause) from None
            except ContainerError as error:
                raise ImageError(str(error), error.cause) from None
            root = found.path / udocker_format.ROOT
            if found.origin == "site":  # a link of ours
                link = ImageTree(found.path, root, settings, found)
                root = Path(link.look(lambda alive: os.path.realpath(str(root))))
            self._tree = ImageTree(found.path, root, settings, found)
        return self._tree

    def give_up(self, why: str) -> bool:
        """Take the image from elsewhere, since its tree cannot be read; gives whether that can be done."""
        self.distrust(why)
        if self._given_up or not self._node.pull or not self.pinned.digest:
            return False
        self._tree = None
        for runtime in ("userns", "udocker", "apptainer"):  # a copy of that tree, or links to it
            remove(self._job.private / runtime)
        self._node = self._node._replace(cvmfs=[])
        self._given_up.append(f"{why}; the image is pulled")
        return True

    def mount(self) -> str:
        """Find the directory on a network file system that the image lies in; "" when it is the node's
        own.
        """
        return str(self._tree.container) if self._tree is not None and self._tree.is_remote else ""

    def damage(self, thorough: bool) -> str:
        """Find what is wrong with the tree after a tool failed, if it is remote; the next job takes
        another.
        """
        tree = self._tree
        if tree is None or not tree.is_remote:
            return ""
        try:
            found: str = timed.in_time(lambda alive: integrity.damage(tree.container, thorough, alive))
            why = f"{tree.container}: {found}" if found else ""
        except OSError as error:
            why = timed.error_text(str(tree.container), error)
        if why:
            self.distrust(why)
        return why

    def distrust(self, why: str) -> None:
        """Have the next jobs take the image from elsewhere, if this one was deployed."""
        if self._tree is not None and self._tree.found.origin == "cvmfs":
            cache.distrusted(self.pinned, self._node, why)

    def _from_site(self) -> Optional[cache.ContainerDirectory]:
        """Find an unpacked image that the descriptor names by its path (VIP's vip:imagepath)."""
        wanted = self.pinned.path and not self._given_up
        path = site.find_tree(self.pinned, self._node) if wanted else None
        if path is None:
            return None
        container = site.as_container(path, self._job.private / "site-image")
        return cache.ContainerDirectory(container, "site", warnings=[site.warning(path, self.pinned)])

    def release(self) -> None:
        """Let the cache remove the image again."""
        if self._tree is not None:
            self._tree.found.release()


def _nobody() -> None:
    """Nobody waits for a tree of our own."""


def _settings(found: cache.ContainerDirectory) -> udocker_format.ImageConfig:
    """Read how the image wants to be run.

    Raises:
        Unreadable: its tree is remote, and cannot be read.
        CorruptImage: it is no container directory.
    """
    if found.origin not in ("cvmfs", "site"):
        return udocker_format.settings(found.path)
    try:
        settings: udocker_format.ImageConfig = timed.in_time(
            lambda alive: udocker_format.settings(found.path)
        )
        return settings
    except OSError as error:
        raise UnreadableImage(timed.error_text(str(found.path), error)) from None
    except CorruptImage as error:
        if found.origin == "site":
            raise
        raise UnreadableImage(str(error)) from None


def environment(job: JobSpec, tree: ImageTree, writable_root: bool = True) -> Dict[str, str]:
    """Compute the tool's whole environment: the image's, a writable HOME, and the manifest's on top."""
    found = {"PATH": DEFAULT_PATH, **tree.settings.environment}
    if not writable_root or not can_be_home(tree, found.get("HOME", "")):
        found["HOME"] = str(job.directory)
    found.update(job.manifest.environment)
    return found


def can_be_home(tree: ImageTree, path: str) -> bool:
    """Say whether a path is a directory of the image, or can become one."""
    if not path.startswith("/") or any(f"{path}/".startswith(f"/{name}/") for name in ("dev", "proc", "sys")):
        return False
    return tree.look(lambda alive: _is_below_directory(tree.root, path))


def _is_below_directory(root: Path, path: str) -> bool:
    try:
        inner = inside(root, path)
        while not os.path.lexists(str(inner)) and inner != root:
            inner = inner.parent
        return inner.is_dir()
    except (ContainerError, OSError):
        return False


def command(job: JobSpec, tree: ImageTree, surroundings: Dict[str, str]) -> List[str]:
    """Give the argument list that runs the job's script inside.

    Raises:
        ImageError: the image's entry point or shell is missing, or cannot start here.
    """
    shell = job.manifest.shell
    entrypoint = tree.settings.entrypoint if job.manifest.entrypoint else []
    for program in [*entrypoint[:1], shell]:
        if program.startswith("/") or "/" not in program:  # others depend on where the job starts
            path = surroundings.get("PATH", "")
            tree.look(lambda alive: start.check(_name(job) or str(tree.root), tree.root, program, path))  # noqa: B023
    return [*entrypoint, shell, str(job.script)]


def below_shell(job: JobSpec) -> List[str]:
    """Give the argument list that runs the job's script where it is the first process of a container: as a
    child of a shell. Process 1 gets no signal from within that it does not handle: a tool that ends itself by
    one would go on.
    """
    shell, script = job.manifest.shell, str(job.script)
    if is_bourne(shell):
        return [shell, "-c", _AS_CHILD, shell, script]
    return [shell, script]


def is_bourne(shell: str) -> bool:
    """Say whether a shell takes what a Bourne shell does."""
    return os.path.basename(shell) in _BOURNE


def workdir(job: JobSpec) -> Path:
    """Return the tool's current directory."""
    return Path(job.manifest.workdir) if job.manifest.workdir else job.directory


def small_files(tree: ImageTree, network: str) -> Dict[str, bytes]:
    """Make the host's name service, and an account for root in images that have none."""
    files = {path: _read(Path(path)) for path in ("/etc/resolv.conf", "/etc/hosts")}
    files["/etc/resolv.conf"] = resolver_file(network, files["/etc/resolv.conf"])
    files.update(tree.look(lambda alive: _accounts(tree.root)))
    return files


def _accounts(root: Path) -> Dict[str, bytes]:
    """Make the lists of accounts that have no root, with one."""
    files = {}
    for path, line in (("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n"), ("/etc/group", b"root:x:0:\n")):
        try:
            found = _read(inside(root, path))
        except ContainerError:  # links in a circle
            found = b""
        if not any(entry.split(b":")[2:3] == [b"0"] for entry in found.splitlines()):
            files[path] = line + found
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def container_name(job: JobSpec) -> str:
    """Make a name by which an engine knows the job's container; engines take fewer characters than we do."""
    return "boutiques-engine-" + re.sub("[^A-Za-z0-9_.-]", "-", job.manifest.attempt)


def used(job: JobSpec, tree: ImageTree, name: str, mode: str) -> wire.RuntimeUsed:
    """Describe for the report a runtime that runs an unpacked image."""
    return wire.RuntimeUsed(
        name=name,
        mode=mode,
        image=_image_of(job, tree),
        digest=job.manifest.image.digest if job.manifest.image and tree.found.origin != "site" else "",
        origin=tree.found.origin,
        received=tree.found.received,
        warnings=list(tree.found.warnings),
    )


def _image_of(job: JobSpec, tree: ImageTree) -> str:
    if tree.found.origin == "site":
        return str(tree.root)
    return _name(job) if tree.found.origin == "pulled" else str(tree.container)


def _name(job: JobSpec) -> str:
    return job.manifest.image.reference if job.manifest.image else ""
