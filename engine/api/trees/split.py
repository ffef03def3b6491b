"""The virtual tree made of two: files of users lie on a storage, records of executions on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.api.trees.directory import DirectoryTree
from engine.api.trees.storage import StorageTree
from engine.app.access.tokens import Segments
from engine.app.portal.tree import FileItem, IncomingFile, OpenFile
from engine.app.portal.virtual import is_record


class SplitTree:
    """`engine.app.portal.tree.FileTree` made of two others."""

    def __init__(self, far: StorageTree, near: DirectoryTree) -> None:
        self._far = far
        self._near = near

    def _of(self, path: Segments) -> DirectoryTree | StorageTree:
        return self._near if is_record(path) else self._far

    # --- looking ----------------------------------------------------------------------------------

    def item(self, path: Segments) -> FileItem:
        """Describe what lies there."""
        return self._of(path).item(path)

    def items(self, path: Segments) -> Sequence[FileItem]:
        """List what is directly in a directory."""
        return self._of(path).items(path)

    def size(self, path: Segments) -> int:
        """Bytes of the files there."""
        return self._of(path).size(path)

    def md5(self, path: Segments) -> str:
        """Return the MD5 of a file."""
        return self._of(path).md5(path)

    def open(self, path: Segments) -> OpenFile:
        """Open a file for reading."""
        return self._of(path).open(path)

    # --- changing ---------------------------------------------------------------------------------

    def receive(self, algorithms: Sequence[str]) -> IncomingFile:
        """Make a new file: users have theirs on the storage."""
        return self._far.receive(algorithms)

    def free(self) -> int:
        """Bytes that can still be received."""
        return self._far.free()

    def make(self, path: Segments) -> bool:
        """Make a directory."""
        return self._of(path).make(path)

    def move(self, source: Segments, target: Segments) -> None:
        """Rename; records that are thrown away go to the trash on the storage, one by one."""
        if not is_record(source):
            self._far.move(source, target)
            return
        with self._far.turns.alone(source, target):
            self._far.must_not_be(target)
            left = [(self._near.item(source), source, target)]
            while left:
                what, old, new = left.pop()
                if not what.directory:
                    self._far.take(Path(self._near.address(old, remote=False)), new, keep=True)
                    continue
                self._far.make(new)
                left += [(one, (*old, one.name), (*new, one.name)) for one in self._near.items(old)]
            self._near.remove(source)

    def remove(self, path: Segments) -> None:
        """Remove."""
        self._of(path).remove(path)

    # --- for executions ---------------------------------------------------------------------------

    def address(self, path: Segments, *, remote: bool) -> str:
        """Return where jobs find it: they ask the storage itself."""
        return self._of(path).address(path, remote=remote)

    def path_of(self, url: str) -> Segments | None:
        """Return where a URL leads."""
        near = self._near.path_of(url)
        return near if near and is_record(near) else self._far.path_of(url)

    def records(self, path: Segments) -> Path:
        """Return a directory for logs and provenance."""
        return self._near.records(path)

    def results(self, path: Segments, records: Segments, *, remote: bool) -> tuple[Path, Sequence[str]]:
        """Results go to the storage."""
        self._far.make(path)
        return self._near.records(records), [self._far.address(path, remote=remote)]
