"""A job's own copy of an image's tree, where the root must be writable and no overlay can be mounted."""

import fcntl
import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Callable, Iterator, List

from wrappers import causes
from wrappers.containers.tree import remove
from wrappers.runtimes.base import UnreadableImage, Unusable
from wrappers.runtimes.image import ImageTree
from wrappers.runtimes.start import no_execution

_FICLONE = 0x40049409  # ioctl: share the blocks of a file until one side writes (btrfs, XFS)


def copy(tree: ImageTree, to: Path) -> List[str]:
    """Copy a tree, with reflinks where the file system knows them. Hard links are split: one side may write.

    Returns what the account may not read, and is left out.

    Raises:
        Unusable: it cannot be copied here.
        Unreadable: it is remote, and cannot be read.
    """
    if no_execution(to.parent):
        raise Unusable(
            f"a private copy of the image in {to.parent} could not be executed (noexec): name a directory of "
            "another file system in the setting `scratch`"
        )
    try:
        left_out = tree.look(lambda alive: _copy(tree.root, to, alive))
    except OSError as error:
        raise _unusable(to, error) from None
    except UnreadableImage:
        remove(to)
        raise
    return [os.fsdecode(os.path.relpath(path, os.fsencode(str(tree.root)))) for path in left_out]


def _copy(tree: Path, to: Path, alive: Callable[[], None]) -> List[bytes]:
    needed = _size(tree, alive)
    free = shutil.disk_usage(str(to.parent)).free
    if free < needed:
        raise Unusable(
            f"a private copy of the image needs {needed >> 20} MiB in {to.parent}, {free >> 20} MiB are free"
        )
    left_out: List[bytes] = []
    _copy_directory(os.fsencode(str(tree)), os.fsencode(str(to)), left_out, alive)
    return left_out


def _unusable(to: Path, error: OSError) -> Unusable:
    why = f"no private copy of the image can be made in {to.parent}: {error.strerror}"
    return Unusable(why, causes.of_limit(error) or "no-runtime")


@contextmanager
def _writing(target: bytes) -> Iterator[None]:
    """Blame what fails in the block on the copy's file system, and not on that of the tree."""
    try:
        yield
    except OSError as error:
        raise _unusable(Path(os.fsdecode(target)), error) from None


def warnings(left_out: List[str]) -> List[str]:
    """List what the report says of that."""
    if not left_out:
        return []
    return [f"{len(left_out)} files of the image cannot be read by this account, e.g. {left_out[0]}"]


def _copy_directory(source: bytes, target: bytes, left_out: List[bytes], alive: Callable[[], None]) -> None:
    with _writing(target):
        os.mkdir(target)
    try:
        listed = os.scandir(source)
    except PermissionError:
        left_out.append(source)
        return
    with listed as entries:
        for entry in entries:
            copy = os.path.join(target, entry.name)
            if entry.is_symlink():
                _copy_symlink(entry.path, copy)
            elif entry.is_dir(follow_symlinks=False):
                _copy_directory(entry.path, copy, left_out, alive)
            elif entry.is_file(
                follow_symlinks=False
            ):  # special files of a tree that others made are left out
                try:
                    _copy_file(entry.path, copy, alive)
                except PermissionError:
                    left_out.append(entry.path)
            alive()
    shutil.copystat(source, target)
    os.chmod(target, stat.S_IMODE(os.lstat(source).st_mode) | stat.S_IRWXU)


def _copy_symlink(source: bytes, target: bytes) -> None:
    """Make a second name for the same link: nobody can write to a symbolic link, only put another in its
    place.

    Images hold hundreds of them, and a new inode for each takes three times as long (measured on ext4).
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or a tree of somebody else
        link = os.readlink(source)
        with _writing(target):
            os.symlink(link, target)


def _copy_file(source: bytes, target: bytes, alive: Callable[[], None]) -> None:
    with open(source, "rb", buffering=0) as old:
        with _writing(target):
            new = open(target, "wb", buffering=0)  # noqa: SIM115 - closed below, where errors are told apart
        with new:
            try:
                fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            except OSError:
                for chunk in iter(lambda: old.read(1 << 20), b""):
                    with _writing(target):
                        _write_all(new, chunk)
                    alive()
    shutil.copystat(source, target)
    os.chmod(target, stat.S_IMODE(os.lstat(source).st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def _write_all(file: IO[bytes], data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _size(tree: Path, alive: Callable[[], None]) -> int:
    total = 0
    for directory, _, names in os.walk(os.fsencode(str(tree))):
        for name in names:
            total += os.lstat(os.path.join(directory, name)).st_size
        alive()
    return total
