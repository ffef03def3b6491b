"""A job's own copy of an image's tree, where the root must be writable and no overlay can be mounted."""

import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import List

from wrappers.runtimes.base import Unusable
from wrappers.runtimes.start import no_execution

_FICLONE = 0x40049409  # ioctl: share the blocks of a file until one side writes (btrfs, XFS)


def copy(tree: Path, to: Path) -> List[str]:
    """Copy a tree, with reflinks where the file system knows them. Hard links are split: one side may write.

    Returns what the account may not read, and is left out.

    Raises:
        Unusable: it cannot be copied here.
    """
    if no_execution(to.parent):
        raise Unusable(
            f"a private copy of the image in {to.parent} could not be executed (noexec): name a directory of "
            "another file system in the setting `scratch`"
        )
    needed = _size(tree)
    free = shutil.disk_usage(str(to.parent)).free
    if free < needed:
        raise Unusable(
            f"a private copy of the image needs {needed >> 20} MiB in {to.parent}, {free >> 20} MiB are free"
        )
    try:
        left_out: List[bytes] = []
        _copy_directory(os.fsencode(str(tree)), os.fsencode(str(to)), left_out)
    except OSError as error:
        raise Unusable(f"no private copy of the image can be made in {to.parent}: {error.strerror}") from None
    return [os.fsdecode(os.path.relpath(path, os.fsencode(str(tree)))) for path in left_out]


def warnings(left_out: List[str]) -> List[str]:
    """What the report says of that."""
    if not left_out:
        return []
    return [f"{len(left_out)} files of the image cannot be read by this account, e.g. {left_out[0]}"]


def _copy_directory(source: bytes, target: bytes, left_out: List[bytes]) -> None:
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
                _copy_directory(entry.path, copy, left_out)
            elif entry.is_file(
                follow_symlinks=False
            ):  # special files of a tree that others made are left out
                try:
                    _copy_file(entry.path, copy)
                except PermissionError:
                    left_out.append(entry.path)
    shutil.copystat(source, target)
    os.chmod(target, stat.S_IMODE(os.lstat(source).st_mode) | stat.S_IRWXU)


def _copy_symlink(source: bytes, target: bytes) -> None:
    """A second name for the same link: nobody can write to a symbolic link, only put another in its place.

    Images hold hundreds of them, and a new inode for each takes three times as long (measured on ext4).
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or a tree of somebody else
        os.symlink(os.readlink(source), target)


def _copy_file(source: bytes, target: bytes) -> None:
    with open(source, "rb") as old, open(target, "wb") as new:  # in this order: see PermissionError above
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new, 1 << 20)
    shutil.copystat(source, target)
    os.chmod(target, stat.S_IMODE(os.lstat(source).st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def _size(tree: Path) -> int:
    total = 0
    for directory, _, names in os.walk(os.fsencode(str(tree))):
        for name in names:
            total += os.lstat(os.path.join(directory, name)).st_size
    return total
