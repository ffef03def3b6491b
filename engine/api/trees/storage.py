"""The virtual tree on a storage.

A file that comes is a part on this machine first, since storages take whole files only; it is gone when the
storage has it. A file that goes out is a stream. Storages without a rename know no empty directories either:
there an empty file, which nobody is shown, marks one.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from engine.api.digests import Digests
from engine.api.receiving import Incoming
from engine.api.tree import Tree
from engine.api.trees.path_locks import PathLocks
from engine.api.trees.refusals import as_os_errors, error
from engine.api.trees.remote_file import RemoteFile
from engine.api.trees.sums import ChecksumCache, is_stable
from engine.app.access.tokens import Segments
from engine.app.portal.site import TreeStorage
from engine.app.portal.tree import FileItem
from engine.clock import Clock, SystemClock
from engine.errors import EngineError
from engine.ports import Stat, Storage, entries

MARK = ".directory"
"""The name of the empty file that marks a directory."""
_PART = re.compile(r"\.[0-9A-Z]{26}\.part")
"""What storages call a file that is not whole yet."""
_Take = Callable[[Path, Segments, Mapping[str, str]], int]


class StorageTree:
    """The part of `engine.app.portal.tree.FileTree` that concerns files, on `engine.ports.Storage`."""

    def __init__(self, storage: Storage, site: TreeStorage, parts: Tree, clock: Clock | None = None) -> None:
        """`parts` holds what is received."""
        self._storage = storage
        self._site = site
        self._parts = parts
        self._clock = clock or SystemClock()
        self._sums = ChecksumCache()
        self.turns = PathLocks()

    # --- looking ----------------------------------------------------------------------------------

    def item(self, path: Segments) -> FileItem:
        """Describe what lies there."""
        found = self._found(path)
        return _item(path[-1] if path else "", found)

    def items(self, path: Segments) -> Sequence[FileItem]:
        """List what is directly in a directory."""
        with as_os_errors():
            found = entries(self._storage, self._url(path))
        if not found and not self._found(path).directory:
            raise error(NotADirectoryError, errno.ENOTDIR)
        shown = [_item(name, stat) for name, stat in found.items() if not _is_hidden(name)]
        return sorted(shown, key=lambda one: os.fsencode(one.name))

    def size(self, path: Segments) -> int:
        """Bytes of the files there: every directory is asked for."""
        found = self._stat(path)
        if found is None or not found.directory:
            return found.size if found else 0
        total, left = 0, [path]
        while left:
            directory = left.pop()
            with suppress(FileNotFoundError, NotADirectoryError):  # it may go meanwhile
                for one in self.items(directory):
                    total += one.size
                    if one.directory:
                        left.append((*directory, one.name))
        return total

    def md5(self, path: Segments) -> str:
        """Return the MD5 of a file: the storage's own, else that of what is read back; remembered."""
        found = self._file(path)
        known = self._sums.of(path, found)
        if known is None:
            stable = is_stable(found, self._clock.now())
            with as_os_errors():
                known = self._storage.checksum(self._url(path), "md5")
            if stable:
                self._sums.store(path, found, known)
        return known

    def open(self, path: Segments) -> RemoteFile:
        """Open a file for reading."""
        found = self._file(path)
        tagged = is_stable(found, self._clock.now())
        return RemoteFile(self._storage, self._url(path), found, tagged=tagged)

    # --- changing ---------------------------------------------------------------------------------

    def receive(self, algorithms: Sequence[str]) -> Incoming:
        """Make a new file, on this machine until it is whole."""
        return _Incoming(self._parts, algorithms, self._publish)

    def free(self) -> int:
        """Bytes that this machine can still receive."""
        return self._parts.free()

    def _publish(self, source: Path, path: Segments, sums: Mapping[str, str]) -> int:
        """Have what was received, and remember its checksum: nobody need read it back."""
        with self._sums.changing(path) as change:
            replaced = self._take(source, path, keep=False)
            with suppress(OSError, EngineError):
                if "md5" in sums and (found := self._stat(path)) is not None:
                    change.learned = found, sums["md5"]
        return replaced

    def take(self, source: Path, path: Segments, *, keep: bool = False) -> int:
        """Have a file of this machine in the tree; it may be gone here then, unless it is to be kept. Gives
        the bytes of what it replaced.
        """
        with self._sums.changing(path):
            return self._take(source, path, keep=keep)

    def _take(self, source: Path, path: Segments, *, keep: bool) -> int:
        before = self._stat(path)
        if before is not None and before.directory:
            raise error(IsADirectoryError, errno.EISDIR)
        self._may_hold(path[:-1])
        with as_os_errors():
            self._storage.send(source, self._url(path), keep=keep)
        return before.size if before else 0

    def make(self, path: Segments) -> bool:
        """Make a directory."""
        found = self._stat(path)
        if found is not None and not found.directory:
            raise error(FileExistsError, errno.EEXIST)
        if found is not None:
            return False
        self._may_hold(path[:-1])
        self._mark(path)
        return True

    def move(self, source: Segments, target: Segments) -> None:
        """Rename: a copy first and a removal then, where the storage has no rename."""
        with self.turns.alone(source, target), self._sums.changing(source, target):
            self._move(source, target)

    def _move(self, source: Segments, target: Segments) -> None:
        self._found(source)
        self.must_not_be(target)
        self._may_hold(target[:-1])
        try:
            with as_os_errors():
                self._storage.move(self._url(source), self._url(target))
        except OSError:
            self.must_not_be(target)  # somebody else's may have come meanwhile
            raise
        self._keep_directory(source[:-1])

    def remove(self, path: Segments) -> None:
        """Remove."""
        self._found(path)
        with self._sums.changing(path), as_os_errors():
            self._storage.delete(self._url(path))
        self._keep_directory(path[:-1])

    # --- for executions ---------------------------------------------------------------------------

    def address(self, path: Segments, *, remote: bool) -> str:
        """Return where jobs find it: nodes ask the storage itself."""
        return self._url(path)

    def path_of(self, url: str) -> Segments | None:
        """Return where a URL leads."""
        return self._site.path_of(url)

    # --- parts ------------------------------------------------------------------------------------

    def _url(self, path: Segments) -> str:
        """Return the URL of what users may see."""
        if any(map(_is_hidden, path)):
            raise error(FileNotFoundError, errno.ENOENT)
        return self._site.url_of(path)

    def _stat(self, path: Segments) -> Stat | None:
        if not path:
            return Stat(0, 0.0, directory=True)  # the top is there, though a storage may not say so
        with as_os_errors():
            return self._storage.stat(self._url(path))

    def _found(self, path: Segments) -> Stat:
        found = self._stat(path)
        if found is None:
            raise error(FileNotFoundError, errno.ENOENT)
        return found

    def _file(self, path: Segments) -> Stat:
        found = self._found(path)
        if found.directory:
            raise error(IsADirectoryError, errno.EISDIR)
        return found

    def must_not_be(self, path: Segments) -> None:
        """Return if there is nothing."""
        if self._stat(path) is not None:
            raise error(FileExistsError, errno.EEXIST)

    def _may_hold(self, directory: Segments) -> None:
        """Return if nothing above a new name is a file: object storages would not mind."""
        for length in range(len(directory), 0, -1):
            found = self._stat(directory[:length])
            if found is not None:
                if not found.directory:
                    raise error(NotADirectoryError, errno.ENOTDIR)
                return

    def _mark(self, directory: Segments) -> None:
        """Have a directory, though nothing is in it."""
        mark = f"{self._url(directory)}/{MARK}"
        with as_os_errors():
            self._storage.put(b"", mark)
            if self._storage.capabilities.rename:
                self._storage.delete(mark)

    def _keep_directory(self, directory: Segments) -> None:
        """Keep a directory when its last file has gone."""
        if not self._storage.capabilities.rename and self._stat(directory) is None:
            self._mark(directory)


class _Incoming(Incoming):
    """A file that is received on this machine, and goes to the storage when it is whole."""

    def __init__(self, parts: Tree, algorithms: Sequence[str], take: _Take) -> None:
        super().__init__(parts, Digests(), algorithms)
        self._take = take

    def publish(self, path: Segments) -> int:
        """Send it."""
        return self._take(self._tree.path_of_part(self._part), path, self.results())


def _is_hidden(name: str) -> bool:
    return name == MARK or _PART.fullmatch(name) is not None


def _item(name: str, found: Stat) -> FileItem:
    return FileItem(name, found.directory, 0 if found.directory else found.size, found.modified)
