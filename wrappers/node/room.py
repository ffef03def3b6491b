"""The disk that one job may take: its directories, with the upper side of its overlay, and its logs.

No quota of the file system is needed. The kernel bounds each file (RLIMIT_FSIZE); their sum is looked at
here, while the tool runs, and only when so much less is free than at the start that it can be too much. A
walk over many files is done in slices, since nothing else is heeded meanwhile.
"""

import os
import time
from typing import Iterable, Iterator, List, NamedTuple, Optional

from wrappers import wire
from wrappers.node import procfs

SLICE_S = 0.05  # seconds of a walk between two looks at everything else


class _Amount(NamedTuple):
    space: int
    files: int  # inodes; 0 where the file system does not count them


class Room:
    """The disk space that a job has written, and may write."""

    def __init__(self, top: str, logs: List[str], space: int, files: Optional[int]) -> None:
        self.space = space
        self._files = files
        self._top = top
        # The overlay's own, closed to everybody: nothing of a tool's is there.
        self._skipped = os.path.join(top, "userns", "work")
        self._logs = logs
        self._used = self._count = 0
        self._hidden = False
        self._walk: Optional[Iterator[None]] = None
        for _ in self._measure():
            pass
        self._before = _Amount(self._used, self._count)  # inputs, and a copy of the image
        self._start = _free(top)

    def excess(self) -> str:
        """Look on; words when the job takes more than it may."""
        if self._walk is None:
            now = _free(self._top)
            gone = self._start.space - now.space
            made = self._start.files - now.files
            if gone * 2 < self.space and (self._files is None or made * 2 < self._files):
                return ""
            self._used = self._count = 0
            self._hidden = False
            self._walk = self._measure()
        pause = time.monotonic() + SLICE_S
        for _ in self._walk:
            if self._words():
                break
            if time.monotonic() >= pause:
                return ""
        self._walk = None
        if self._hidden:  # in directories that it has closed to us: all that is gone counts as its own
            now = _free(self._top)
            self._used = max(self._used, self._before.space + self._start.space - now.space)
            self._count = max(self._count, self._before.files + self._start.files - now.files)
        return self._words()

    def _words(self) -> str:
        used, count = self._used - self._before.space, self._count - self._before.files
        if used > self.space:
            return f"the tool wrote {used >> 20} MiB to the disk; {self.space >> 20} MiB are allowed"
        if self._files is not None and count > self._files:
            return f"the tool made {count} files; {self._files} are allowed"
        return ""

    def _measure(self) -> Iterator[None]:
        """Add up everything; stops after each file."""
        for log in self._logs:
            self._add(log)
        todo = [self._top]
        while todo:
            try:
                with os.scandir(todo.pop()) as entries:
                    for entry in entries:
                        self._add(entry.path)
                        if entry.path.startswith(self._skipped):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            todo.append(entry.path)
                        yield
            except FileNotFoundError:
                continue
            except OSError:
                self._hidden = True
        yield from self._removed()

    def _add(self, path: str) -> None:
        try:
            self._used += os.lstat(path).st_blocks * 512
            self._count += 1
        except OSError:
            pass  # removed meanwhile

    def _removed(self) -> Iterator[None]:
        """Files without a name are there until whoever has them open ends."""
        seen = set()
        device = os.stat(self._top).st_dev
        for pid in procfs.descendants(os.getpid()):
            for path in _opened(pid):
                try:
                    about = os.stat(path)
                except OSError:
                    continue
                if not about.st_nlink and about.st_dev == device and about.st_ino not in seen:
                    seen.add(about.st_ino)
                    self._used += about.st_blocks * 512
                    self._count += 1
                yield


def room_of(manifest: wire.Manifest, node: wire.Node, top: str, logs: List[str]) -> Optional[Room]:
    """Find the room of a job; None where nothing bounds it.

    A job of strangers that names no bound has its share: with each slot's job at its own, some is left over
    for those who must go on. Who asked for more at the start, and got it, has that.
    """
    space, files = manifest.limits.space, None
    if space is None:
        if not manifest.isolated:
            return None
        free = _free(top)
        shares = node.slots + 1
        space = max(free.space // shares, manifest.limits.disk or 0)
        files = free.files // shares if free.files else None
    return Room(top, logs, space, files)


def _opened(pid: int) -> Iterable[str]:
    try:
        return [f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


def _free(path: str) -> _Amount:
    space = os.statvfs(path)
    return _Amount(space.f_bavail * space.f_frsize, space.f_favail)
