"""Files of this machine, `file:///...`: the storage of the local back-end and of tests."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from engine.domain.file_urls import to_path, to_url
from engine.errors import BadRequest, NotFound, Unavailable
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages.files import arriving, part_name
from engine.storages.holes import copy_file
from engine.storages.sections import UNCONFIGURED, StorageSettings
from wrappers.containers.tree import remove_all
from wrappers.transfer.checksums import CHUNK, Hasher
from wrappers.wire import Grant

_MANY = 10_000
"""Directories that are remembered to be on the disk."""
_BATCH = 16
"""Files that are written to the disk at a time."""


class FileStorage:
    """`engine.ports.Storage` on directories. Writes are a temporary name and a rename."""

    capabilities = StorageCapabilities()

    def __init__(self, settings: StorageSettings = UNCONFIGURED) -> None:
        self._safe: set[Path] = set()
        """Directories whose own name is on the disk."""
        self._written: set[Path] = set()
        """Files that were put since the last flush: their content may still be in memory only."""

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""
        with _clear(url):
            try:
                found = to_path(url).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Stat(found.st_size, found.st_mtime, directory=_is_directory(found))

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are; a dangling link is an empty file."""
        with _clear(url):
            try:
                found = tuple(os.scandir(to_path(url)))
            except (FileNotFoundError, NotADirectoryError):
                return {}
            return {entry.name: _stat_of(entry) for entry in found}

    def list(self, url: str) -> Sequence[str]:
        """Names directly under a directory."""
        with _clear(url):
            try:
                return sorted(os.listdir(to_path(url)))
            except (FileNotFoundError, NotADirectoryError):
                return []

    def move(self, source: str, target: str) -> None:
        """Rename; across file systems copy, then rename. An existing target is never replaced."""
        old, new = to_path(source), to_path(target)
        with _clear(target):
            if not os.path.lexists(old):
                raise NotFound(f"nothing to move at {source}")
            try:
                new.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise BadRequest(f"{target}: a file lies where a directory is needed") from None
            if os.path.lexists(new):
                raise BadRequest(f"{target} exists already")
            try:
                os.rename(old, new)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy_across(old, new)

    def flush(self, urls: Sequence[str]) -> None:
        """Have names on the disk, and what was put under them. Directories above are synced only once."""
        self._flush_contents({to_path(url) for url in urls} & self._written)
        level = {to_path(url).parent for url in urls}
        new = set[Path]()
        while level:
            for directory in level:
                with _clear(to_url(directory)):
                    _sync(directory)
            above = {d.parent for d in level - self._safe - new}
            new |= level
            level = above
        self._safe = new if len(self._safe) > _MANY else self._safe | new

    def _flush_contents(self, files: set[Path]) -> None:
        """Several at a time: a file system writes its journal once for all."""
        if files:
            with ThreadPoolExecutor(_BATCH) as pool, _clear(to_url(min(files))):
                list(pool.map(_sync, files))
            self._written -= files

    def delete(self, url: str) -> None:
        """Remove a file or a directory with all it holds."""
        path = to_path(url)
        with _clear(url):
            if path.is_dir() and not path.is_symlink():
                remove_all(path)
            else:
                path.unlink(missing_ok=True)

    def put(self, data: bytes, url: str) -> None:
        """Write a small file."""
        path = to_path(url)
        with _clear(url), arriving(path) as part:
            part.write_bytes(data)
            self._written.add(path)

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Bring a file there; on one file system it is moved, not copied, when it need not be kept."""
        path = to_path(url)
        with _clear(url):
            path.parent.mkdir(parents=True, exist_ok=True)
            if keep or not _replaced(source, path):
                with arriving(path) as part:
                    _copy(source, part, progress)
            elif progress:
                progress(path.stat().st_size)

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file."""
        with _clear(url):
            try:
                with to_path(url).open("rb") as file:
                    file.seek(offset)
                    return file.read(-1 if length is None else length)
            except FileNotFoundError:
                return b""

    def get(self, url: str, into: Path, progress: Progress | None = None) -> None:
        """Copy a file or directory to `into`."""
        path = to_path(url)
        with _clear(url):
            if not path.exists():
                raise NotFound(f"nothing at {url}")
            into.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                copy = partial(_copy, progress=progress, copy=_copy_whole)
                shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True, copy_function=copy)
            else:
                with arriving(into) as part:
                    _copy(path, part, progress)

    def open(self, url: str) -> AbstractContextManager[BinaryIO]:
        """Open a file as a stream."""
        with _clear(url):
            try:
                return to_path(url).open("rb")
            except FileNotFoundError:
                raise NotFound(f"nothing at {url}") from None

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Compute the checksum of what can be read now."""
        hashed = Hasher((algorithm,))
        with _clear(url), self.open(url) as file:
            while piece := file.read(CHUNK):
                hashed.update(piece)
        return hashed.results()[algorithm]

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """There is no such thing for files."""
        raise BadRequest(f"{url}: a file of this machine cannot be presigned")


def _sync(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except PermissionError:
        return  # a directory above that somebody else made, and may not be listed
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _stat_of(entry: os.DirEntry[str]) -> Stat:
    try:
        found = entry.stat()
    except FileNotFoundError:
        found = entry.stat(follow_symlinks=False)
    return Stat(found.st_size, found.st_mtime, directory=_is_directory(found))


def _is_directory(found: os.stat_result) -> bool:
    return (found.st_mode & 0o170000) == 0o040000


def _replaced(source: Path, path: Path) -> bool:
    """Rename; False when they are on different file systems."""
    try:
        os.replace(source, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _copy(
    source: str | Path,
    target: str | Path,
    progress: Progress | None,
    copy: Callable[[str | Path, str | Path], object] = copy_file,
) -> None:
    copy(source, target)
    if progress:
        progress(os.path.getsize(target))


def _copy_whole(source: str | Path, target: str | Path) -> None:
    """Copy with permissions and dates; of a link, make another link."""
    if os.path.islink(source):
        shutil.copy2(source, target, follow_symlinks=False)
    else:
        copy_file(source, target)
        shutil.copystat(source, target)


def _copy_across(old: Path, new: Path) -> None:
    part = new.with_name(part_name())
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, part, symlinks=True, copy_function=_copy_whole)
    else:
        _copy_whole(old, part)
        if not part.is_symlink():
            _sync(part)
    os.rename(part, new)
    if new.is_dir() and not new.is_symlink():
        remove_all(old)
    else:
        old.unlink()


@contextmanager
def _clear(url: str) -> Iterator[None]:
    """Trouble of the file system in one line: a full disk may pass, so it is not the request's fault."""
    try:
        yield
    except OSError as error:
        remedy = {
            errno.ENOSPC: "free some space there; it is tried again",
            errno.EDQUOT: "the quota is used up; free some space",
            errno.EACCES: "give this user the right to write there",
            errno.EROFS: "choose another directory with --results",
        }.get(error.errno or 0, "")
        raise Unavailable(f"{url}: {error.strerror}", remedy=remedy) from error
