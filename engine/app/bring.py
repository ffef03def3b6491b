"""Bringing files of this machine to a storage, for jobs that run elsewhere: each content once."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile

from engine.app.locations import doors_of
from engine.errors import BadRequest
from engine.ports import Progress, Storage
from engine.settings import Settings
from engine.store.sources import Source
from wrappers.transfer.checksums import CHUNK, Hasher

_SUMS = ("sha256", "adler32")


def staging(settings: Settings) -> str:
    """The URL of the storage for files of this machine.

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
        remedy="set data.staging to a storage of the settings, or name files that are on one",
    )


class Bringer:
    """Brings files to one storage."""

    def __init__(
        self, settings: Settings, storage: Callable[[str], Storage], progress: Progress | None = None
    ) -> None:
        self._settings = settings
        self._base = staging(settings)
        self._storage = storage(self._base)
        self._progress = progress

    def bring_all(self, wanted: Sequence[Source]) -> list[Source]:
        """Bring these, several at a time; gives where they are now.

        Raises:
            BadRequest: one is neither file nor directory, or is being written to.
            Unavailable, CredentialExpired: the storage does not take them.
        """
        with ThreadPoolExecutor(self._settings.data.parallel) as pool:
            return list(pool.map(self._bring, wanted))

    def _bring(self, one: Source) -> Source:
        path = Path(one.value)
        if not one.packed:
            return self._send(one, path, keep=True)
        with NamedTemporaryFile(prefix="engine-", suffix=".tar", delete=False) as file:
            packed = Path(file.name)
        try:
            _pack(path, packed)
            return self._send(one, packed, keep=False)
        finally:
            packed.unlink(missing_ok=True)

    def _send(self, one: Source, path: Path, *, keep: bool) -> Source:
        hashed = _hash(path)
        sums = hashed.results()
        url = f"{self._base}/inputs/{sums['sha256'][:2]}/{sums['sha256']}"
        there = self._storage.stat(url)
        if there is None or there.size != hashed.size:
            self._storage.send(path, url, self._progress, keep=keep)
        doors = tuple(doors_of(url, self._settings.storages))
        return Source(one.value, url, doors, sums, hashed.size, one.packed)


def size_of(wanted: Sequence[Source]) -> int:
    """Bytes of all these files and directories together."""
    return sum(_size(Path(one.value)) for one in wanted)


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(os.stat(os.path.join(top, name)).st_size for top, _, names in os.walk(path) for name in names)


def _hash(path: Path) -> Hasher:
    hashed = Hasher(_SUMS)
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadRequest(f"{path} is neither a file nor a directory")
            while piece := file.read(CHUNK):
                hashed.update(piece)
    except OSError as error:
        raise BadRequest(f"{path}: {error.strerror}") from None
    return hashed


def _pack(directory: Path, packed: Path) -> None:
    """A tar of a directory that depends on names and contents only, so that it is brought once."""
    try:
        with tarfile.open(packed, "w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
            for path in sorted(directory.rglob("*")):
                archive.add(path, str(path.relative_to(directory)), recursive=False, filter=_plain)
    except OSError as error:
        raise BadRequest(f"{error.filename or directory}: {error.strerror}") from None


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (member.isreg() or member.isdir()):
        raise BadRequest(f"{member.name} is neither a file nor a directory")
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
