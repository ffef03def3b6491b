"""A job's own copy of an image's tree, where the root must be writable and no overlay can be mounted."""

import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import Any

from wrappers.runtimes.base import Unusable

_FICLONE = 0x40049409  # ioctl: share the blocks of a file until one side writes (btrfs, XFS)


def copy(tree: Path, to: Path) -> None:
    """Copy a tree, with reflinks where the file system knows them. Hard links are split: one side may write.

    Raises:
        Unusable: it cannot be copied here.
    """
    needed = _size(tree)
    free = shutil.disk_usage(str(to.parent)).free
    if free < needed:
        raise Unusable(
            f"a private copy of the image needs {needed >> 20} MiB in {to.parent}, {free >> 20} MiB are free"
        )
    try:
        shutil.copytree(str(tree), str(to), symlinks=True, copy_function=_copy_file)
    except (OSError, shutil.Error) as error:
        raise Unusable(f"no private copy of the image can be made in {to.parent}: {_first(error)}") from None


def _copy_file(source: Any, target: Any, *, follow_symlinks: bool = True) -> Any:
    mode = os.lstat(source).st_mode
    if not stat.S_ISREG(mode):
        return target  # a special file of a tree that others made
    with open(source, "rb") as old, open(target, "wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new, 1 << 20)
    shutil.copystat(source, target)
    os.chmod(target, stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IWUSR)
    return target


def _size(tree: Path) -> int:
    total = 0
    for directory, _, names in os.walk(os.fsencode(str(tree))):
        for name in names:
            total += os.lstat(os.path.join(directory, name)).st_size
    return total


def _first(error: Any) -> str:
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        return str(error.args[0][0][2])
    return getattr(error, "strerror", None) or str(error)
