"""root:// and roots://, the protocol of XRootD, by its own library: errors are values there, and it is told
first not to wait for ever.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import quote, unquote, urlsplit

from engine.domain.urls import child
from engine.errors import BadRequest, CredentialExpired, EngineError, NotFound, Unavailable
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files
from engine.storages.credentials import Proxy, Token
from engine.storages.failures import ANOTHER_CREDENTIAL, clearly
from engine.storages.places import UNCONFIGURED, StorageSettings
from wrappers.transfer.redact import redact
from wrappers.wire import Grant

File: TypeAlias = Any
FileSystem: TypeAlias = Any
"""Of the library, which says nothing of its types."""
_PIECE = 8 << 20
_IS_DIRECTORY = 2  # in the flags of a stat
_READ, _WRITE = 0x10, 0x02 | 0x100 | 0x8000  # of an open; to write: replace, make directories
_MAKE_PATH, _LIST_WITH_STAT, _CHECKSUM = 1, 1, 3  # of mkdir, dirlist, query
"""Numbers of the protocol."""
_NOT_FOUND, _NOT_EMPTY, _NO_SPACE, _NOT_AUTHORIZED, _EXISTS, _QUOTA = 3011, 3005, 3009, 3010, 3018, 3021
_UNSUPPORTED = 3013
_AUTHENTICATION_FAILED = 204
"""The library's own code (errAuthFailed)."""
_CHECKSUMS = ("adler32", "md5")


class RootStorage:
    """Implements `engine.ports.Storage`. Writes are a temporary name, a comparison and a rename."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED) -> None:
        self._settings = settings
        self.capabilities = StorageCapabilities(
            rename=settings.rename is not False,
            checksums=(settings.checksum,) if settings.checksum else ("adler32",),
        )

    def stat(self, url: str) -> Stat | None:
        """What lies there."""
        status, found = _twice(lambda: self._system(url).stat(self._path(url)))
        if status.errno == _NOT_FOUND:
            return None
        _check(status, url)
        return _stat(found)

    def list(self, url: str) -> Sequence[str]:
        """Names directly under a directory."""
        return sorted(self.entries(url))

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""
        found = self.stat(url)
        if found is None or not found.directory:
            return {}
        status, listing = self._system(url).dirlist(self._path(url), _LIST_WITH_STAT)
        _check(status, url)
        return {entry.name: _stat(entry.statinfo) for entry in listing or ()}

    def move(self, source: str, target: str) -> None:
        """Rename; the server would replace an existing target, so it is looked at first."""
        if self.stat(target) is not None:
            raise BadRequest(f"{target} exists already")
        self._rename(source, target)

    def _rename(self, source: str, target: str) -> None:
        system = self._system(source)
        status, _ = system.mv(self._path(source), self._path(target))
        if status.errno == _NOT_FOUND and self.stat(source) is not None:  # there is no directory for it
            self._make_directory(target.rpartition("/")[0])
            status, _ = system.mv(self._path(source), self._path(target))
        _check(status, source)

    def _make_directory(self, url: str) -> None:
        status, _ = self._system(url).mkdir(self._path(url), _MAKE_PATH)
        if status.errno != _EXISTS:
            _check(status, url)

    def delete(self, url: str) -> None:
        """Remove a file or a directory with all it holds."""
        found = self.stat(url)
        if found is None:
            return
        if found.directory:
            for name in self.list(url):
                self.delete(child(url, name))
            status, _ = self._system(url).rmdir(self._path(url))
        else:
            status, _ = self._system(url).rm(self._path(url))
        if status.errno != _NOT_FOUND:
            _check(status, url)

    def put(self, data: bytes, url: str) -> None:
        """Write a small file."""
        self._store([data] if data else [], url, None)

    def send(self, source: Path, url: str, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Bring a file there."""
        with clearly(url), source.open("rb") as file:
            self._store(iter(lambda: file.read(_PIECE), b""), url, progress)
        if not keep:
            source.unlink(missing_ok=True)

    def _store(self, pieces: Iterable[bytes], url: str, progress: Progress | None) -> None:
        part = child(url.rpartition("/")[0], files.part_name())
        target = part if self.capabilities.rename else url
        try:
            size, adler32 = self._write(pieces, target, progress)
            self._compare(target, size, adler32)
            if target != url:
                self._rename(part, url)
        except BaseException:
            if target != url:
                with suppress(EngineError):  # what went wrong before is what is told
                    self.delete(part)
            raise

    def _write(self, pieces: Iterable[bytes], url: str, progress: Progress | None) -> tuple[int, str]:
        size, sum_ = 0, 1
        with self._open(url, _WRITE) as file:
            for piece in pieces:
                _check(file.write(piece, size)[0], url)
                size += len(piece)
                sum_ = zlib.adler32(piece, sum_)
                if progress:
                    progress(len(piece))
            _check(file.close()[0], url)
        return size, f"{sum_:08x}"

    def _compare(self, url: str, size: int, adler32: str) -> None:
        found = self.stat(url)
        if found is None or found.size != size:
            raise Unavailable(f"{url}: the server holds {found.size if found else 0} bytes of {size}")
        told = self._told(url, "adler32")
        if told is not None and told != adler32:
            raise Unavailable(f"{url}: the server holds adler32 {told}, not {adler32}")

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """A piece of a file."""
        found = self.stat(url)
        end = 0 if found is None else found.size if length is None else min(found.size, offset + length)
        if found is None or found.directory or offset >= end:
            return b""
        with self._reading(url) as file:
            status, data = file.read(offset, end - offset)
            _check(status, url)
            return bytes(data)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """A file as a stream."""
        with self._reading(url) as file:
            yield files.stream(_pieces(file, url))

    def get(self, url: str, into: Path, progress: Progress | None = None) -> None:
        """Bring a file or directory to this machine, compared with the server's own checksum."""
        found = self.stat(url)
        if found is None:
            raise NotFound(f"nothing at {url}")
        if found.directory:
            files.get_directory(self, url, into, progress)
            return
        with clearly(url), files.arriving(into) as part:
            with self.open(url) as source:
                size = files.copy(source, part, progress)
            if size != found.size:
                raise Unavailable(f"{url}: {size} of {found.size} bytes came")
            if (told := self._told(url, "adler32")) is not None:
                with part.open("rb") as file:
                    came = files.checksum_of(file, "adler32")
                if came != told:
                    raise Unavailable(f"{url}: its adler32 is {came}, not the storage's own {told}")

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """The server's own checksum where it computes it, else that of what is read back."""
        if self.stat(url) is None:
            raise NotFound(f"nothing at {url}")
        if algorithm in _CHECKSUMS and (told := self._told(url, algorithm)) is not None:
            return told
        with self.open(url) as file:
            return files.checksum_of(file, algorithm)

    def _told(self, url: str, algorithm: str) -> str | None:
        """What the server computes; None when it does not know this checksum."""
        separator = "&" if "?" in self._path(url) else "?"
        argument = f"{self._path(url)}{separator}cks.type={algorithm}"
        status, answer = self._system(url).query(_CHECKSUM, argument)
        if status.errno == _UNSUPPORTED:
            return None
        _check(status, url)
        words = bytes(answer).rstrip(b"\0").decode("ascii", "replace").split()
        if len(words) != 2 or words[0] != algorithm:
            return None
        return words[1].lower().rjust(8, "0")

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """There is no such thing."""
        raise BadRequest(f"{url}: root:// cannot presign")

    # --- the library ------------------------------------------------------------------------------

    def _system(self, url: str) -> FileSystem:
        parts = urlsplit(url)
        opaque = self._opaque()
        return _library(self._settings.stall).FileSystem(
            f"{_scheme(parts.scheme)}://{parts.netloc}/{'?' + opaque if opaque else ''}"
        )

    def _path(self, url: str) -> str:
        """The path as the server wants it: nothing is escaped there."""
        parts = urlsplit(url)
        path = "/" + unquote(parts.path).lstrip("/")
        if parts.query or "?" in path or "\n" in path:
            raise BadRequest(f"{redact(url)}: root:// knows no names with a question mark or a line break")
        return path.rstrip("/") or "/"

    def _opaque(self) -> str:
        """What shows the credential: the library keeps connections apart by it."""
        credential = self._settings.credential
        if credential is None:
            return ""
        match credential.current():
            case Proxy(file):
                return f"xrd.gsiusrpxy={file}"
            case Token(value):
                return f"authz={quote('Bearer ' + value.reveal(), safe='')}"
            case _:
                raise BadRequest(
                    f"credential {credential.name}: root:// knows proxy and token, not {credential.kind}"
                )

    @contextmanager
    def _open(self, url: str, flags: int) -> Iterator[File]:
        parts = urlsplit(url)
        opaque = self._opaque()
        file = _library(self._settings.stall).File()
        place = f"{_scheme(parts.scheme)}://{parts.netloc}/{self._path(url)}{'?' + opaque if opaque else ''}"
        _check(_twice(lambda: file.open(place, flags))[0], url)
        try:
            yield file
        finally:
            if file.is_open():
                file.close()

    @contextmanager
    def _reading(self, url: str) -> Iterator[File]:
        with self._open(url, _READ) as file:
            yield file


@cache
def _library(stall: float) -> Any:
    """The library, told to be no more patient than this: by itself it waits for eleven minutes."""
    try:
        client = import_module("XRootD.client")
    except ImportError:
        raise BadRequest(
            "root: the package xrootd is missing", remedy="pip install 'grid-engine[xrootd]'"
        ) from None
    seconds = max(1, int(stall))
    for name in ("ConnectionWindow", "RequestTimeout", "StreamTimeout"):
        client.EnvPutInt(name, min(seconds, 30) if name == "ConnectionWindow" else seconds)
    client.EnvPutInt("ConnectionRetry", 1)
    client.EnvPutInt("StreamErrorWindow", 0)  # a server that was away may be back
    client.EnvPutInt("TimeoutResolution", 1 if seconds < 15 else 15)
    return client


def _scheme(scheme: str) -> str:
    return {"xroot": "root", "xroots": "roots"}.get(scheme, scheme)


def _stat(found: Any) -> Stat:
    return Stat(0 if found.flags & _IS_DIRECTORY else found.size, float(found.modtime), bool(found.flags & 2))


def _pieces(file: File, url: str) -> Iterator[memoryview]:
    offset = 0
    while True:
        status, data = file.read(offset, _PIECE)
        _check(status, url)
        if not data:
            return
        offset += len(data)
        yield memoryview(data)


def _twice(ask: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    """An answer; once more when a connection from before turns out to be dead."""
    status, found = ask()
    return ask() if status.fatal else (status, found)


def _check(status: Any, url: str) -> None:
    """Raise what a status means, unless all is well."""
    if status.ok:
        return
    words = status.message.strip().rpartition("] ")[2] or status.message
    message = redact(f"{url}: {' '.join(words.split())}")
    if status.errno == _NOT_FOUND:
        raise NotFound(message)
    if status.errno == _NOT_AUTHORIZED or status.code == _AUTHENTICATION_FAILED:
        raise CredentialExpired(message, remedy=ANOTHER_CREDENTIAL)
    if status.errno in (_NO_SPACE, _QUOTA):
        raise Unavailable(message, remedy="the storage is full; free some space there")
    if status.errno and status.errno != _NOT_EMPTY and not status.fatal:
        raise BadRequest(message)
    raise Unavailable(message)
