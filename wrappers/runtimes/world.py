"""What a tool sees as its root directory: the image's tree, the kernel's file systems, the job's directories.

Everything is decided in `plan` before the fork; `make` runs as process 1 of new mount and PID namespaces and
only carries it out. Paths inside are made after pivot_root, so that a link in the image cannot lead outside.
"""

import errno
import os
from typing import Dict, List, NamedTuple, Optional

from wrappers.containers.errors import CorruptImage
from wrappers.containers.tree import resolve
from wrappers.runtimes import namespaces
from wrappers.runtimes.namespaces import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount

_OLD = "/.host"  # where the host's root is while the world is being made
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the name inside
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


class Bind(NamedTuple):
    """A file or directory of the host, shown inside."""

    source: str  # real path
    target: str
    read_only: bool = False


class World(NamedTuple):
    """A plan."""

    tree: str  # the image's root
    mode: str  # overlay, copy (tree is a private one), readonly
    private: str  # holds the directories world and upper
    work: str  # overlay's scratch directory: a new one for each mount
    own: List[str]  # directories on the host: what is in them shall belong to the caller
    binds: List[Bind]  # in order: later ones may lie below earlier ones
    files: Dict[str, bytes]  # small files inside, by path
    devices: List[str]  # further nodes of the host's /dev
    directories: List[str]  # that must exist inside
    home: str  # is made where the image lacks it, if that is possible; "" is none
    protect: bool  # the caller is root, and so the owner of the kernel's own files: they are read-only
    shared: List[str] = []  # directories inside for every user of the tool; nobody else reaches them
    warnings: List[str] = []  # for the report
    memory: Optional[int] = None  # bytes that files in /dev/shm may take; None is half of the machine's


def make(world: World) -> None:
    """Build the world and make it the root directory.

    Raises:
        OSError: this kernel or file system does not allow it; the text says what.
    """
    mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_SLAVE)
    new = os.path.join(world.private, "world")
    _mount_root(world, new)
    os.mkdir(new + _OLD, 0o700)
    namespaces.pivot_root(new, new + _OLD)
    os.chdir("/")
    _kernel_file_systems(world)
    _devices(world)
    _shared_memory(world.memory)
    for bind in world.binds:
        _bind(bind)
    for directory in world.directories:
        _make(directory, in_memory=False)
    if world.home:
        _make_home(world.home)
    for path, text in world.files.items():
        _write(path, text)
    namespaces.unmount(_OLD)
    os.rmdir(_OLD)


def _mount_root(world: World, new: str) -> None:
    if world.mode == "overlay":
        # By descriptor: colons and commas in paths mean something in overlay's options. Volatile, since else
        # the kernel waits at the end until all that anybody wrote to this disk has reached it.
        upper = os.path.join(world.private, "upper")
        names = {"lowerdir": world.tree, "upperdir": upper, "workdir": world.work}
        opened = {key: os.open(path, os.O_PATH | os.O_DIRECTORY) for key, path in names.items()}
        options = ",".join(f"{key}=/proc/self/fd/{number}" for key, number in opened.items())
        mount("overlay", new, "overlay", MS_NODEV, options + ",userxattr,volatile")
        for number in opened.values():
            os.close(number)
    elif world.mode == "copy":
        namespaces.bind(world.tree, new)
    else:
        _mosaic(world, new)


def _mosaic(world: World, new: str) -> None:
    """Mount a small file system in memory, with the image's directories in it, read-only."""
    mount("tmpfs", new, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755,size=16m")
    wanted = {
        "/proc",
        "/sys",
        "/dev",
        *world.directories,
        *world.files,
        *(bind.target for bind in world.binds),
    }
    missing: List[str] = []
    for path in wanted:
        target = _inside(world.tree, path)
        if not os.path.lexists(world.tree + target):
            directory, name = os.path.split(path)  # a link to nowhere may have to be replaced
            missing += [target, os.path.join(_inside(world.tree, directory), name)]
    _lay(world.tree, new, "", missing)


def _inside(tree: str, path: str) -> str:
    """Return where a path is below the image's root, its links followed, when that is not yet the root
    directory.
    """
    try:
        return os.fsdecode(resolve(os.fsencode(tree), os.fsencode(path)))[len(tree) :]
    except CorruptImage:  # links in a circle
        return path


def _lay(tree: str, new: str, inner: str, missing: List[str]) -> None:
    for name in os.listdir(tree + inner):
        path = f"{inner}/{name}"
        source, target = tree + path, new + path
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        elif os.path.isdir(source):
            os.mkdir(target, 0o755)
            if any(want.startswith(path + "/") for want in missing):
                _lay(tree, new, path, missing)
            else:
                _bind_read_only(source, target)
        elif os.path.isfile(source):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
            _bind_read_only(source, target)


def _bind_read_only(source: str, target: str) -> None:
    namespaces.bind(source, target)
    namespaces.make_read_only(target)


def _kernel_file_systems(world: World) -> None:
    for directory in ("/proc", "/sys", "/dev"):
        _make(directory)
    try:
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:  # inside some containers only the one that is there may be used
        namespaces.bind(_OLD + "/proc", "/proc")
    namespaces.bind(_OLD + "/sys", "/sys")
    if world.protect:
        namespaces.make_read_only("/sys")
        namespaces.make_read_only("/proc")


def _devices(world: World) -> None:
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=64k")
    for name in [*_DEVICES, *world.devices]:
        source, target = f"{_OLD}/dev/{name}", f"/dev/{name}"
        if os.path.isdir(source):
            os.makedirs(target)
            _bind_read_only(source, target)
        elif os.path.exists(source):
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o666))
            _bind_read_only(source, target)  # its mode, that is: a device can still be written
    for name, target in _LINKS.items():
        os.symlink(target, "/dev/" + name)
    os.mkdir("/dev/pts")
    mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def _shared_memory(most: Optional[int]) -> None:
    os.mkdir(_SHARED_MEMORY)
    size = "" if most is None else f",size={most}"
    mount("tmpfs", _SHARED_MEMORY, "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777{size}")


def _bind(bind: Bind) -> None:
    source = _OLD + bind.source
    if os.path.isdir(source):
        _make(bind.target)
    elif not os.path.exists(bind.target):
        _make(os.path.dirname(bind.target))
        if os.path.islink(bind.target):
            os.unlink(bind.target)  # to nowhere
        os.close(os.open(bind.target, os.O_CREAT | os.O_WRONLY, 0o644))
    namespaces.bind(source, bind.target)
    if bind.read_only:
        namespaces.make_read_only(bind.target)


def _make(directory: str, in_memory: bool = True) -> None:
    """Make a directory of the image's own tree, or a path of this machine that the image does not have.

    The deep ones, on which something is mounted, are in memory: overlay takes 0.4 ms for each directory
    (measured), and again to remove it.
    """
    directory = _resolved(directory)
    missing = []
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    if not missing:
        return
    if os.path.islink(missing[-1]):
        os.unlink(missing[-1])  # one of a circle
    os.mkdir(missing[-1])
    if len(missing) > 2 and in_memory:
        mount("tmpfs", missing[-1], "tmpfs", MS_NODEV | MS_NOSUID, "mode=755,size=64m")
    for path in reversed(missing[:-1]):
        os.mkdir(path)


def _make_home(home: str) -> None:
    try:
        _make(home, in_memory=False)
    except OSError:
        pass  # files of another account are in its way: the tool may not need it


def _resolved(path: str) -> str:
    """Return where a path really is: a link of the image may lead to what is not there yet, and not to the
    host.
    """
    real = os.path.realpath(path)
    if f"{real}/".startswith(_OLD + "/"):
        raise OSError(errno.ELOOP, f"a link of the image leads out of it: {path}")
    return real


def _write(path: str, text: bytes) -> None:
    directory, name = os.path.split(path)
    _make(directory)
    path = os.path.join(_resolved(directory), name)
    if os.path.isdir(path) and not os.path.islink(path):
        return  # the image has something of its own in mind
    if os.path.lexists(path):
        os.unlink(path)  # a link of the image may lead to nowhere
    with open(path, "wb") as file:
        file.write(text)
