"""Bringing files of this machine to a storage, for jobs that run elsewhere: each content once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from tempfile import NamedTemporaryFile

from engine.app.data.locations import aliases_of
from engine.domain.options import SANDBOX
from engine.errors import BadRequest
from engine.ports import Progress, Storage
from engine.reconcile import layout
from engine.settings.tree import Settings
from engine.store.sources import ExecutionSource
from wrappers.transfer.errors import Permanent
from wrappers.transfer.source import FileSource
from wrappers.transfer.source import Source as Content
from wrappers.transfer.tree import packed

_SUMS = ("sha256", "adler32")
_HEAD = 512  # bytes


def staging(settings: Settings) -> str:
    """Return the URL of the storage for files of this machine.

    Raises:
        BadRequest: none is configured.
    """
    name = settings.data.staging
    if name in settings.storages:
        return settings.storages[name].url.rstrip("/")
    if name:
        raise BadRequest(f"setting data.staging: no storage is called {name}")
    if settings.api.public_url:
        return f"{settings.api.public_url.rstrip('/')}/se/inputs"
    raise BadRequest(
        "files of this machine cannot be read where the jobs run",
        remedy="set data.staging to a storage of the settings, or name files that are on one; only "
        f"data.travelling = {settings.data.travelling} bytes of them can travel with the jobs",
    )


class ResultUploader:
    """Uploader of files to one storage, or to the directory of results, from where they travel with jobs."""

    def __init__(
        self,
        settings: Settings,
        storage: Callable[[str], Storage],
        progress: Progress | None = None,
        results: str = "",
    ) -> None:
        """`results` is the URL of that directory; "" for the storage of the settings.

        Raises:
            BadRequest: no storage is configured, and one is needed.
        """
        self._settings = settings
        self._results = results
        self._base = results or staging(settings)
        self._storage = storage(self._base)
        self._progress = progress

    def upload_all(self, wanted: Sequence[ExecutionSource]) -> list[ExecutionSource]:
        """Bring these, several at a time; gives where they are now.

        Raises:
            BadRequest: one is neither file nor directory, or is being written to.
            Unavailable, CredentialExpired: the storage does not take them.
        """
        with ThreadPoolExecutor(self._settings.data.parallel) as pool:
            return list(pool.map(self._upload, wanted))

    def _upload(self, one: ExecutionSource) -> ExecutionSource:
        return self._upload_directory(one) if one.packed else self._upload_file(one)

    def _upload_file(self, one: ExecutionSource) -> ExecutionSource:
        path = Path(one.value)
        with _reading(path):
            if not S_ISREG(path.stat().st_mode):
                raise BadRequest(f"{path} is neither a file nor a directory")
            content = FileSource(str(path), _SUMS)
            content.sums()
        return self._send(one, content, path, keep=True)

    def _upload_directory(self, one: ExecutionSource) -> ExecutionSource:
        """By its tar: that depends on names and contents only, so it is brought once."""
        with NamedTemporaryFile(prefix="engine-", suffix=".tar", delete=False) as file:
            path = Path(file.name)
        try:
            with _reading(Path(one.value)), path.open("wb") as file:
                content = packed(one.value, _SUMS)
                file.writelines(content.pieces())
            return self._send(one, content, path, keep=False)
        finally:
            path.unlink(missing_ok=True)

    def _send(self, one: ExecutionSource, content: Content, path: Path, *, keep: bool) -> ExecutionSource:
        sums = content.sums()
        sha256 = sums["sha256"]
        shared = f"{self._base}/inputs/{sha256[:2]}/{sha256}"
        url = layout.input_url(self._results, sha256) if self._results else shared
        there = self._storage.stat(url)
        if there is None or there.size != content.size:
            self._storage.send(path, url, self._progress, keep=keep)
        if self._results:
            return ExecutionSource(one.value, f"{SANDBOX}{sha256}", (), sums, content.size, one.packed)
        aliases = tuple(aliases_of(url, self._settings.storages))
        return ExecutionSource(one.value, url, aliases, sums, content.size, one.packed)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Permanent as error:
        raise BadRequest(str(error)) from None
    except OSError as error:
        raise BadRequest(f"{error.filename or path}: {error.strerror}") from None


def digest_of(path: Path) -> str:
    """Compute the sha256 of a file, or of a directory as it is packed.

    Raises:
        BadRequest: it cannot be read.
    """
    with _reading(path):
        content = packed(str(path), ("sha256",)) if path.is_dir() else FileSource(str(path), ("sha256",))
        return content.sums()["sha256"]


def weight(wanted: Sequence[ExecutionSource]) -> int:
    """Bytes that these take where they travel with jobs: each has a head.

    Raises:
        BadRequest: one cannot be brought.
    """
    return size_of(wanted) + _HEAD * len(wanted)


def size_of(wanted: Sequence[ExecutionSource]) -> int:
    """Bytes of all these together, directories as they are packed.

    Raises:
        BadRequest: one cannot be brought.
    """
    return sum(_size(one) for one in wanted)


def _size(one: ExecutionSource) -> int:
    with _reading(Path(one.value)):
        return packed(one.value).size if one.packed else os.stat(one.value).st_size
