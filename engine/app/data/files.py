"""Files on storages, for people: look, copy, rename, remove.

A location is `storage:path`, a URL or a local path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.app.data.locations import url_of
from engine.domain.file_urls import to_path, to_url
from engine.errors import BadRequest, NotFound
from engine.ports import Stat, Storage, entries, name_in, url_below
from wrappers.transfer.checksums import ALGORITHMS

if TYPE_CHECKING:
    from engine.settings.tree import Settings

__all__ = ["ALGORITHMS", "Data", "FoundFile", "CopyRequest"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file at a URL."""

    name: str
    """Relative to what was asked about."""
    url: str
    size: int
    modified: float
    directory: bool
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """A file that is to be copied."""

    source: str
    target: str
    stat: Stat


class Data:
    """The use cases of `engine data`."""

    def __init__(self, settings: Settings, storage: Callable[[str], Storage]) -> None:
        self._settings = settings
        self.storage = storage

    def locate(self, text: str) -> str:
        """Find the URL that a person means.

        Raises:
            BadRequest: a path leaves its storage, or is one of a storage that there is not.
        """
        if not text:  # mostly a variable of the shell that is not set
            raise BadRequest("a location is empty", remedy="write . for the current directory")
        found = url_of(text, self._settings.storages)
        if found is not None:
            return found
        if text.startswith("file:"):
            return text
        name, colon, _ = text.partition(":")
        if colon and "/" not in name and not Path(text).exists():
            known = ", ".join(sorted(self._settings.storages)) or "none"
            raise BadRequest(f"{text}: no storage is called {name}", remedy=f"in the settings: {known}")
        return to_url(Path(text).absolute())

    def list(self, text: str, *, recursive: bool = False) -> Iterator[FoundFile]:
        """List a directory, or the file itself.

        Raises:
            NotFound: nothing is there.
        """
        url = self.locate(text)
        storage = self.storage(url)
        stat = self._existing(storage, url, text)
        if not stat.directory:
            yield _found(name_in(storage, url), url, stat)
            return
        yield from self._below(storage, url, "", recursive)

    def _below(self, storage: Storage, url: str, prefix: str, recursive: bool) -> Iterator[FoundFile]:
        for name, stat in sorted(entries(storage, url).items()):
            here = url_below(storage, url, name)
            yield _found(prefix + name, here, stat)
            if recursive and stat.directory and not _is_link(here):
                yield from self._below(storage, here, f"{prefix}{name}/", recursive)

    def stat(self, text: str, algorithms: Sequence[str] = ()) -> FoundFile:
        """Describe what lies there, with checksums of a file.

        Raises:
            NotFound: nothing is there.
        """
        url = self.locate(text)
        storage = self.storage(url)
        stat = self._existing(storage, url, text)
        checksums = dict(stat.checksums) | ({"sha256": stat.sha256} if stat.sha256 else {})
        wanted = () if stat.directory else algorithms
        sums = checksums | {name: storage.checksum(url, name) for name in wanted}
        return _found(name_in(storage, url), url, stat, sums)

    def move(self, source: str, target: str) -> str:
        """Rename, within one storage; gives the new URL.

        Raises:
            NotFound: nothing is there.
            BadRequest: the target exists, or is on another storage.
        """
        old, new = self.locate(source), self.locate(target)
        storage = self.storage(old)
        if self.storage(new) is not storage:
            raise BadRequest(
                f"{target} is on another storage than {source}: that is no rename",
                remedy="engine data cp, then engine data rm",
            )
        self._existing(storage, old, source)
        new = self._into(new, target, name_in(storage, old), several=False)
        storage.move(old, new)
        return new

    def remove(self, text: str, *, recursive: bool = False, force: bool = False) -> str:
        """Remove a file, or a directory with all it holds; gives its URL.

        Raises:
            NotFound: nothing is there, and that is not fine.
            BadRequest: it is a directory, or the top of a storage.
        """
        url = self.locate(text)
        storage = self.storage(url)
        if not name_in(storage, url) or any(
            url == section.url.rstrip("/") for section in self._settings.storages.values()
        ):
            raise BadRequest(f"{text} is a whole storage; name what is in it")
        stat = storage.stat(url)
        if stat is None and not force:
            raise NotFound(f"nothing at {text}")
        if stat is not None and stat.directory and not recursive:
            raise BadRequest(f"{text} is a directory", remedy="add --recursive")
        storage.delete(url)
        return url

    def plan(self, sources: Sequence[str], target: str) -> Iterator[CopyRequest]:
        """Every file that is to be copied, found while others are copied already. As with `cp`: into an
        existing directory, else to that name.

        Raises:
            NotFound: a source is not there.
            BadRequest: several sources, but the target is no directory.
        """
        base = self.locate(target)
        for text in sources:
            url = self.locate(text)
            storage = self.storage(url)
            stat = self._existing(storage, url, text)
            into = self._into(base, target, name_in(storage, url), several=len(sources) > 1)
            if not stat.directory:
                yield CopyRequest(url, into, stat)
                continue
            yield from self._plan_below(storage, url, into)

    def _plan_below(self, storage: Storage, url: str, into: str) -> Iterator[CopyRequest]:
        for name, stat in sorted(entries(storage, url).items()):
            here, there = url_below(storage, url, name), url_below(self.storage(into), into, name)
            if not stat.directory:
                yield CopyRequest(here, there, stat)
            elif not _is_link(here):  # links to directories can go round in circles
                yield from self._plan_below(storage, here, there)

    def _into(self, url: str, text: str, name: str, *, several: bool) -> str:
        storage = self.storage(url)
        there = storage.stat(url)
        if text.endswith(("/", ":")) or (there is not None and there.directory):
            return url_below(storage, url, name)
        if several:
            raise BadRequest(f"{text} is no directory, but there are several sources", remedy="end it with /")
        return url

    def _existing(self, storage: Storage, url: str, text: str) -> Stat:
        found = storage.stat(url)
        if found is None:
            raise NotFound(f"nothing at {text}")
        return found


def _found(name: str, url: str, stat: Stat, checksums: Mapping[str, str] = {}) -> FoundFile:
    return FoundFile(name, url, stat.size, stat.modified, stat.directory, dict(checksums))


def _is_link(url: str) -> bool:
    return url.startswith("file:") and to_path(url).is_symlink()
