"""The directory of the embedded storage, one safe step at a time.

Every path is walked from an open directory, name by name, and no symbolic link is ever followed: what is
planted in the tree leads nowhere. A file appears under its name by one rename, whole; until then it lies in
`.parts`, which is emptied at the start. Blocking: the application calls it from threads.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.api import below
from engine.api.below import DIRECTORY
from engine.app.access.tokens import Segments
from engine.errors import Unavailable
from engine.ids import new_id
from wrappers.containers.tree import remove_at

_PARTS = ".parts"
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no wait for a writer of a planted FIFO


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """An entry of the tree."""

    name: str
    found: os.stat_result

    @property
    def directory(self) -> bool:
        """Whether it is one."""
        return stat.S_ISDIR(self.found.st_mode)


class Tree:
    """Files and directories below one root, which is ours alone while it is open.

    Paths whose first part begins with a dot are the tree's own, and are not there for anybody else. Methods
    raise FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError or any other OSError.

    Raises:
        Unavailable: the root cannot be made, or another engine serves it.
    """

    def __init__(self, root: Path) -> None:
        self._path = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                remove_at(_PARTS, self._root)  # what was being received when the last one ended
            os.mkdir(_PARTS, 0o700, dir_fd=self._root)
        except BlockingIOError:
            os.close(self._root)
            raise Unavailable(
                f"another engine serves the storage at {root}",
                remedy="stop it, or set api.root to another place",
            ) from None
        except OSError as error:
            raise Unavailable(
                f"the directory of the embedded storage, {root}: {error.strerror}",
                remedy="set api.root (ENGINE_API__ROOT) to a place that can be written",
            ) from None
        self._parts = os.open(_PARTS, DIRECTORY, dir_fd=self._root)

    def close(self) -> None:
        """Let another engine serve it."""
        os.close(self._parts)
        os.close(self._root)

    def free(self) -> int:
        """Bytes that can still be written."""
        found = os.fstatvfs(self._root)
        return found.f_bavail * found.f_frsize

    def item(self, path: Segments) -> TreeEntry:
        """Describe a path: a file or a directory, nothing else counts."""
        if not path:
            return TreeEntry("", os.fstat(self._root))
        with self._above(path) as (directory, name):
            return _item(name, os.stat(name, dir_fd=directory, follow_symlinks=False))

    def items(self, path: Segments) -> list[TreeEntry]:
        """List what is directly in a directory, by name."""
        with self._directory(path) as directory, os.scandir(directory) as entries:
            found = []
            for entry in entries:
                with suppress(FileNotFoundError):  # it may go meanwhile; a link is not there
                    found.append(_item(entry.name, entry.stat(follow_symlinks=False)))
        return sorted(
            (i for i in found if path or not i.name.startswith(".")), key=lambda i: os.fsencode(i.name)
        )

    def open(self, path: Segments) -> int:
        """Open a file for reading."""
        with self._above(path) as (directory, name):
            try:
                file = os.open(name, _FILE, dir_fd=directory)
            except OSError as error:
                raise _plain(error) from None
        try:
            if not _item(name, os.fstat(file)).directory:
                return file
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        except BaseException:
            os.close(file)
            raise

    def part(self) -> tuple[str, int]:
        """Make a new file that nobody sees, and its name for `publish` and `drop`."""
        name = new_id()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return name, os.open(name, flags, 0o600, dir_fd=self._parts)

    def path_of_part(self, part: str) -> Path:
        """Return where a part lies on this machine."""
        return self._path / _PARTS / part

    def publish(self, part: str, path: Segments) -> int:
        """Give a part its name, making the directories above it; gives the bytes of what it replaced."""
        with self._above(path, make=True) as (directory, name):
            try:
                before = os.stat(name, dir_fd=directory, follow_symlinks=False)
                replaced = before.st_size if stat.S_ISREG(before.st_mode) else 0
            except FileNotFoundError:
                replaced = 0
            os.rename(part, name, src_dir_fd=self._parts, dst_dir_fd=directory)
        return replaced

    def drop(self, part: str) -> None:
        """Give up a part."""
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=self._parts)

    def make(self, path: Segments) -> bool:
        """Make a directory and those above it; False when it is there already."""
        with self._above(path, make=True) as (directory, name):
            try:
                os.mkdir(name, 0o700, dir_fd=directory)
            except FileExistsError:
                if not _item(name, os.stat(name, dir_fd=directory, follow_symlinks=False)).directory:
                    raise
                return False
        return True

    def move(self, source: Segments, target: Segments, *, replace: bool) -> None:
        """Rename, making the directories above the target, with the content on the disk before it has the new
        name: this is how results are committed. Only a file replaces a file, and only if asked.
        """
        with self._above(source) as (old, old_name), self._above(target, make=True) as (new, new_name):
            moved = _item(old_name, os.stat(old_name, dir_fd=old, follow_symlinks=False))
            _sync_tree(old_name, old)
            if replace and not moved.directory:
                os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)
            elif moved.directory:
                _must_not_be(new_name, new)
                os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)
            else:
                os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
                os.unlink(old_name, dir_fd=old)
            os.fsync(new)

    def remove(self, path: Segments) -> int:
        """Remove a file, or a directory with all it holds; gives the bytes that it held."""
        with self._above(path) as (directory, name):
            gone = new_id()  # a directory that is half removed is seen by nobody
            os.rename(name, gone, src_dir_fd=directory, dst_dir_fd=self._parts)
        size = below.size(gone, self._parts)
        remove_at(gone, self._parts)
        return size

    def size(self, path: Segments) -> int:
        """Bytes of the files there, those below it included; 0 when there is nothing."""
        try:
            with self._above(path) as (directory, name):
                return below.size(name, directory)
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def levels(self, path: Segments) -> int:
        """Levels of directories below what lies there; 0 for a file."""
        with self._above(path) as (directory, name):
            return below.levels(name, directory)

    @contextmanager
    def _above(self, path: Segments, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the directory that holds what a path names, and give its name there."""
        if not path:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with self._directory(path[:-1], make=make, hidden=path[0].startswith(".")) as directory:
            yield directory, path[-1]

    @contextmanager
    def _directory(self, path: Segments, *, make: bool = False, hidden: bool = False) -> Iterator[int]:
        if hidden or (path and path[0].startswith(".")):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        directory = os.dup(self._root)
        try:
            for name in path:
                inner = _step(directory, name, make=make)
                os.close(directory)
                directory = inner
            yield directory
        finally:
            os.close(directory)


def _step(directory: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        raise _plain(error) from None
    with suppress(FileExistsError):  # made by another request meanwhile
        os.mkdir(name, 0o700, dir_fd=directory)
    return os.open(name, DIRECTORY, dir_fd=directory)


def _plain(error: OSError) -> OSError:
    """Translate the error of a symbolic link where a name was walked: it is no directory, and no file, of
    ours.
    """
    if error.errno in (errno.ELOOP, errno.ENXIO):
        return NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return error


def _item(name: str, found: os.stat_result) -> TreeEntry:
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return TreeEntry(name, found)


def _must_not_be(name: str, directory: int) -> None:
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=directory, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _sync_tree(name: str, directory: int) -> None:
    """Have a file, or a directory with all it holds, on the disk."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        _sync(name, directory)
        return
    for names, inside in below.walk(name, directory):
        for each in names:
            _sync(each, inside)
        os.fsync(inside)


def _sync(name: str, directory: int) -> None:
    try:
        file = os.open(name, _FILE, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link or a socket that was planted: nobody sees it
            return
        raise
    try:
        os.fsync(file)
    finally:
        os.close(file)
