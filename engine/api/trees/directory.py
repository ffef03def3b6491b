"""The virtual tree in the directory of the embedded storage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.api import ranges
from engine.api import tree as directory
from engine.api.digests import Digests
from engine.api.receiving import Incoming
from engine.app.access.needs import embedded_url
from engine.app.access.paths import encoded
from engine.app.access.tokens import Segments
from engine.app.portal.site import path_on_this_machine
from engine.app.portal.tree import FileItem
from engine.settings.service import ApiSection


class LocalFile:
    """An open file of this machine."""

    def __init__(self, file: int) -> None:
        """`file` is closed with it."""
        self._file = file
        self._found = os.fstat(file)
        self.size = self._found.st_size
        self.tag = ranges.etag(self._found)

    def read(self, offset: int, length: int) -> bytes:
        """Read a piece of it."""
        return os.pread(self._file, length, offset)

    def close(self) -> None:
        """No more is read."""
        os.close(self._file)


class DirectoryTree:
    """`engine.app.portal.tree.FileTree` on `engine.api.tree.Tree`."""

    def __init__(self, tree: directory.Tree, settings: ApiSection) -> None:
        self._tree = tree
        self._root = settings.root
        self._root_names = settings.root.absolute().parts[1:]
        self._embedded = embedded_url(settings)
        self._digests = Digests()

    # --- looking ----------------------------------------------------------------------------------

    def item(self, path: Segments) -> FileItem:
        """Describe what lies there."""
        return _item(self._tree.item(path))

    def items(self, path: Segments) -> Sequence[FileItem]:
        """List what is directly in a directory."""
        return [_item(one) for one in self._tree.items(path)]

    def size(self, path: Segments) -> int:
        """Bytes of the files there."""
        return self._tree.size(path)

    def md5(self, path: Segments) -> str:
        """Return the MD5 of a file; computed once."""
        file = self._tree.open(path)
        try:
            return self._digests.of(file, "md5")
        finally:
            os.close(file)

    def open(self, path: Segments) -> LocalFile:
        """Open a file for reading."""
        return LocalFile(self._tree.open(path))

    # --- changing ---------------------------------------------------------------------------------

    def receive(self, algorithms: Sequence[str]) -> Incoming:
        """Make a new file."""
        return Incoming(self._tree, self._digests, algorithms)

    def free(self) -> int:
        """Bytes that can still be received."""
        return self._tree.free()

    def make(self, path: Segments) -> bool:
        """Make a directory."""
        return self._tree.make(path)

    def move(self, source: Segments, target: Segments) -> None:
        """Rename."""
        self._tree.move(source, target, replace=False)

    def remove(self, path: Segments) -> None:
        """Remove."""
        self._tree.remove(path)

    # --- for executions ---------------------------------------------------------------------------

    def address(self, path: Segments, *, remote: bool) -> str:
        """Return where jobs find it."""
        return f"{self._embedded}/{encoded(path)}" if remote else str(self._root.joinpath(*path))

    def path_of(self, url: str) -> Segments | None:
        """Return where a URL leads."""
        return path_on_this_machine(url, self._root_names, self._embedded)

    def records(self, path: Segments) -> Path:
        """Return a directory for logs and provenance."""
        self._tree.make(path)  # name by name: no link leads elsewhere
        return self._root.joinpath(*path)

    def results(self, path: Segments, records: Segments, *, remote: bool) -> tuple[Path, Sequence[str]]:
        """Return the directory of results: records lie there too."""
        return self.records(path), [self.address(path, remote=True)] if remote else []


def _item(one: directory.TreeEntry) -> FileItem:
    size = 0 if one.directory else one.found.st_size
    return FileItem(one.name, one.directory, size, one.found.st_mtime)
