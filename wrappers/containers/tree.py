"""Directory trees that others made: names resolved inside them, and their removal."""

import errno
import os
import stat
from pathlib import Path
from typing import List, Union

from wrappers.containers.errors import CorruptImage

_MOST_LINKS = 40  # as the kernel
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def resolve(root: bytes, path: bytes) -> bytes:
    """Return where `path` leads when `root` is the root directory: all symbolic links followed, none out of
    it.

    What does not exist is taken as it stands.

    Raises:
        CorruptImage: the links go round in a circle.
    """
    pending = path.split(b"/")[::-1]
    done: List[bytes] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            del done[-1:]
            continue
        try:
            target = os.readlink(b"/".join([root, *done, part]))
        except OSError:  # no link, or nothing there
            done.append(part)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise CorruptImage(f"the links of {os.fsdecode(path)} in the image go round in a circle")
        if target.startswith(b"/"):
            done = []
        pending.extend(target.split(b"/")[::-1])
    return b"/".join([root, *done])


def inside(root: Path, path: str) -> Path:
    """`resolve` for paths as the rest of the program has them."""
    return Path(os.fsdecode(resolve(os.fsencode(str(root)), os.fsencode(path))))


def remove(path: Path) -> None:
    """Remove a tree, also where its directories are closed to their owner. What is not there is no error, and
    what cannot be removed is left: the next sweep tries again.
    """
    try:
        remove_all(path)
    except OSError:
        pass


def remove_all(path: Union[str, Path]) -> None:
    """Remove a file, or a tree of any depth.

    Raises:
        OSError: something is not there, or could not be removed.
    """
    directory, name = os.path.split(os.path.abspath(str(path)))
    above = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_at(name, above)
    finally:
        os.close(above)


def remove_at(name: str, directory: int) -> None:
    """Remove a file, or a tree of any depth, from an open directory. No link is followed.

    Neither recursion nor long paths nor a descriptor for each level: what lies in a directory of the tree is
    brought up to its top before the directory goes.

    Raises:
        OSError: something is not there, or could not be removed.
    """
    if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=directory)
        return
    top = _opened(name, directory)
    try:
        lifted = 0
        while True:
            names = os.listdir(top)
            if not names:
                break
            for each in names:
                lifted = _empty(each, top, lifted)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=directory)


def _empty(name: str, top: int, lifted: int) -> int:
    """Remove what lies at the top; directories in it are lifted. Gives how many were lifted until now."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return lifted
    directory = _opened(name, top)
    try:
        for each in os.listdir(directory):
            if not stat.S_ISDIR(os.stat(each, dir_fd=directory, follow_symlinks=False).st_mode):
                os.unlink(each, dir_fd=directory)
                continue
            os.close(_opened(each, directory))  # so that it may be moved
            lifted = _lift(each, directory, top, lifted)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=top)
    return lifted


def _lift(name: str, directory: int, top: int, lifted: int) -> int:
    """Bring a directory up to the top, or remove it where it is. Gives how many were lifted until now."""
    try:
        moved = False
        while not moved:
            lifted += 1
            moved = _moved(name, directory, f".lifted-{lifted}", top)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        remove_at(name, directory)  # an overlay moves no directory of its lower side
    return lifted


def _moved(name: str, directory: int, to: str, top: int) -> bool:
    """Rename; False when the tree has another thing of that name."""
    try:
        os.rename(name, to, src_dir_fd=directory, dst_dir_fd=top)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        return False
    return True


def _opened(name: str, directory: int) -> int:
    """Open a directory so that it can be changed, also where its owner took that away from itself."""
    try:
        opened = os.open(name, _DIRECTORY, dir_fd=directory)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=directory)
        opened = os.open(name, _DIRECTORY, dir_fd=directory)
    found = os.fstat(opened)
    if found.st_mode & stat.S_IRWXU != stat.S_IRWXU and found.st_uid == os.geteuid():
        os.fchmod(opened, stat.S_IRWXU)
    return opened
