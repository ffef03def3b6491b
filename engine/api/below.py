"""What lies below a directory, to any depth: no recursion, and two descriptors at most."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def walk(name: str, directory: int) -> Iterator[tuple[list[str], int]]:
    """Yield the names of the files in a directory and in each one below it, with the directory itself, open
    until the next one. Files that go meanwhile are left out, and no link is followed.
    """
    for _, names, inside in _steps(name, directory):
        yield names, inside


def _steps(name: str, directory: int) -> Iterator[tuple[tuple[str, ...], list[str], int]]:
    left: list[tuple[str, ...]] = [(name,)]
    while left:
        path = left.pop()
        try:
            inside = _open(path, directory)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            names = []
            for each in os.listdir(inside):
                with suppress(FileNotFoundError):
                    found = os.stat(each, dir_fd=inside, follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        left.append((*path, each))
                    else:
                        names.append(each)
            yield path, names, inside
        finally:
            os.close(inside)


def size(name: str, directory: int) -> int:
    """Bytes of a file, or of all files below a directory."""
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size
    total = 0
    for names, inside in walk(name, directory):
        for each in names:
            with suppress(FileNotFoundError):
                total += os.stat(each, dir_fd=inside, follow_symlinks=False).st_size
    return total


def levels(name: str, directory: int) -> int:
    """Levels of directories below a directory; 0 for a file."""
    return max((len(path) for path, _, _ in _steps(name, directory)), default=1) - 1


def _open(path: tuple[str, ...], directory: int) -> int:
    """One step for each part: together they may be longer than a path may be."""
    at = os.dup(directory)
    try:
        for part in path:
            below = os.open(part, DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
    except BaseException:
        os.close(at)
        raise
    return at
