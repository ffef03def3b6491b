"""The virtual tree as the rest of the portal sees it: files and directories by the parts of their paths.

A directory of this machine or a storage holds it; nobody but `engine.api.trees` knows which. What a path says
of itself is told as FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError or another
OSError; a storage that does not answer is `Unavailable`, one that refuses the engine `CredentialExpired`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.app.access.tokens import Segments
from engine.store.executions import Execution


@dataclass(frozen=True, slots=True)
class FileItem:
    """An item of the tree."""

    name: str
    directory: bool
    size: int
    """Bytes; 0 for a directory."""
    modified: float
    """Seconds since 1970-01-01 UTC; 0.0 where a storage does not say."""


class OpenFile(Protocol):
    """A file that is read; called from threads, one call at a time."""

    @property
    def size(self) -> int:
        """Its bytes."""

    @property
    def tag(self) -> str:
        """A name of this very content, as an ETag; empty when there is none that is sure."""

    def read(self, offset: int, length: int) -> bytes:
        """Read a piece of it; fewer bytes at its end only."""

    def close(self) -> None:
        """No more is read."""


class IncomingFile(Protocol):
    """A file that is received; called from threads, one call at a time."""

    @property
    def size(self) -> int:
        """Bytes so far."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Take more of it."""

    def publish(self, path: Segments) -> int:
        """Give the complete file its name; return the bytes of what it replaced."""

    def close(self) -> None:
        """Remove what was not published."""


class FileTree(Protocol):
    """Files and directories. No link is followed, and nothing appears before it is whole."""

    def item(self, path: Segments) -> FileItem:
        """Describe what lies there."""

    def items(self, path: Segments) -> Sequence[FileItem]:
        """List what is directly in a directory, by name."""

    def size(self, path: Segments) -> int:
        """Bytes of the files there, those below it included; 0 when there is nothing."""

    def md5(self, path: Segments) -> str:
        """Return the MD5 of a file, hexadecimal."""

    def open(self, path: Segments) -> OpenFile:
        """Open a file for reading."""

    def receive(self, algorithms: Sequence[str]) -> IncomingFile:
        """Make a new file that nobody sees yet; its checksums are computed on the way."""

    def free(self) -> int:
        """Bytes that can still be received."""

    def make(self, path: Segments) -> bool:
        """Make a directory and those above it; False when it is there already."""

    def move(self, source: Segments, target: Segments) -> None:
        """Rename, making the directories above the target; nothing is replaced."""

    def remove(self, path: Segments) -> None:
        """Remove a file, or a directory with all it holds."""

    # --- for executions ---------------------------------------------------------------------------

    def address(self, path: Segments, *, remote: bool) -> str:
        """Return where jobs find it: a URL or, when they run on this machine, perhaps an absolute path."""

    def path_of(self, url: str) -> Segments | None:
        """Return where a URL leads in the tree; None when it is elsewhere."""

    def records(self, path: Segments) -> Path:
        """Make a directory of this machine for logs and provenance, and return it."""

    def results(self, path: Segments, records: Segments, *, remote: bool) -> tuple[Path, Sequence[str]]:
        """For results in a directory, which is made: where the execution has its records on this machine, and
        the URLs that get its results, none when they lie beside the records.
        """


def kept_in(tree: FileTree, execution: Execution) -> list[Segments]:
    """Directories of the tree that are an execution's own."""
    urls = (*(destination.url for destination in execution.options.places), execution.results)
    return list(dict.fromkeys(path for url in urls if (path := tree.path_of(url))))
