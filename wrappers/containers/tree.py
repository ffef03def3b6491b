"""Directory trees that come from images: names resolved inside them, and their removal."""

import os
import shutil
import stat
from pathlib import Path
from typing import Any, Callable, List

from wrappers.containers.errors import CorruptImage

_MOST_LINKS = 40  # as the kernel


def resolve(root: bytes, path: bytes) -> bytes:
    """Where `path` leads when `root` is the root directory: all symbolic links followed, none out of it.

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
    """Remove a tree, also where its directories are closed to their owner. What is not there is no error."""

    def open_and_retry(function: Callable[..., Any], name: Any, _: Any) -> None:
        try:
            os.chmod(os.path.dirname(name), stat.S_IRWXU)
            if function in (os.listdir, os.scandir, os.open, os.rmdir):
                os.chmod(name, stat.S_IRWXU)
                if function is not os.rmdir:
                    shutil.rmtree(name, ignore_errors=True)
                    return
            function(name)
        except OSError:
            pass  # debris: the next sweep tries again

    if os.path.islink(str(path)) or not os.path.isdir(str(path)):
        try:
            os.unlink(str(path))
        except OSError:
            pass
        return
    shutil.rmtree(os.fsencode(str(path)), onerror=open_and_retry)
