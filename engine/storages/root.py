"""root:// and roots://, the protocol of XRootD, by its own library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from engine.domain.urls import child
from engine.errors import BadRequest, EngineError, NotFound, Unavailable
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files, xrootd
from engine.storages.credentials import BearerToken, X509Proxy
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings, scheme_of
from wrappers.transfer.redact import redact
from wrappers.transfer.source import Source

_PIECE = 8 << 20
_CHECKSUMS = ("adler32", "md5")


class RootStorage(RemoteStorage):
    """`engine.ports.Storage` on XRootD. Writes are a temporary name, a comparison and a rename."""

    _sums = ("adler32",)

    def __init__(self, settings: StorageSettings = UNCONFIGURED) -> None:
        self._settings = settings
        self.capabilities = StorageCapabilities(
            rename=settings.rename is not False,
            checksums=(settings.checksum,) if settings.checksum else ("adler32",),
        )

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""
        status, found = xrootd.twice(lambda: self._system(url).stat(self._path(url)))
        if status.errno == xrootd.NOT_FOUND:
            return None
        xrootd.check(status, url)
        return xrootd.stat(found)

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""
        found = self.stat(url)
        if found is None or not found.directory:
            return {}
        status, listing = self._system(url).dirlist(self._path(url), xrootd.LIST_WITH_STAT)
        xrootd.check(status, url)
        return {entry.name: xrootd.stat(entry.statinfo) for entry in listing or ()}

    def move(self, source: str, target: str) -> None:
        """Rename; the server would replace an existing target, so it is looked at first."""
        if self.stat(target) is not None:
            raise BadRequest(f"{target} exists already")
        self._rename(source, target)

    def _rename(self, source: str, target: str) -> None:
        system = self._system(source)
        status, _ = system.mv(self._path(source), self._path(target))
        if status.errno == xrootd.NOT_FOUND and self.stat(source) is not None:  # there is no directory for it
            self._make_directory(target.rpartition("/")[0])
            status, _ = system.mv(self._path(source), self._path(target))
        xrootd.check(status, source)

    def _make_directory(self, url: str) -> None:
        status, _ = self._system(url).mkdir(self._path(url), xrootd.MAKE_PATH)
        if status.errno != xrootd.EXISTS:
            xrootd.check(status, url)

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
        if status.errno != xrootd.NOT_FOUND:
            xrootd.check(status, url)

    def _store(self, source: Source, url: str) -> None:
        part = child(url.rpartition("/")[0], files.part_name())
        target = part if self.capabilities.rename else url
        try:
            self._write(source, target)
            self._compare(target, source.size, source.sum("adler32"))
            if target != url:
                self._rename(part, url)
        except BaseException:
            if target != url:
                with suppress(EngineError):  # what went wrong before is what is told
                    self.delete(part)
            raise

    def _write(self, source: Source, url: str) -> None:
        offset = 0
        with self._open(url, xrootd.WRITE) as file:
            for block in files.blocks(source.pieces(), _PIECE):
                xrootd.check(file.write(block, offset)[0], url)
                offset += len(block)
            xrootd.check(file.close()[0], url)

    def _compare(self, url: str, size: int, adler32: str) -> None:
        found = self.stat(url)
        if found is None or found.size != size:
            raise Unavailable(f"{url}: the server holds {found.size if found else 0} bytes of {size}")
        checksum = self._server_checksum(url, "adler32")
        if checksum is not None and checksum != adler32:
            raise Unavailable(f"{url}: the server holds adler32 {checksum}, not {adler32}")

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file."""
        found = self.stat(url)
        end = 0 if found is None else found.size if length is None else min(found.size, offset + length)
        if found is None or found.directory or offset >= end:
            return b""
        with self._open(url, xrootd.READ) as file:
            status, data = file.read(offset, end - offset)
            xrootd.check(status, url)
            return bytes(data)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open a file as a stream."""
        with self._open(url, xrootd.READ) as file:
            yield files.stream(xrootd.pieces(file, url, _PIECE))

    def _fetch(self, url: str, found: Stat, part: Path, progress: Progress | None) -> None:
        super()._fetch(url, found, part, progress)
        if (checksum := self._server_checksum(url, "adler32")) is not None:
            with part.open("rb") as file:
                came = files.checksum_of(file, "adler32")
            if came != checksum:
                raise Unavailable(f"{url}: its adler32 is {came}, not the storage's own {checksum}")

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Return the server's own checksum where it computes it, else that of what is read back."""
        if self.stat(url) is None:
            raise NotFound(f"nothing at {url}")
        if algorithm in _CHECKSUMS and (checksum := self._server_checksum(url, algorithm)) is not None:
            return checksum
        return super().checksum(url, algorithm)

    def _server_checksum(self, url: str, algorithm: str) -> str | None:
        """Ask the server for a checksum; None when it does not know this one."""
        separator = "&" if "?" in self._path(url) else "?"
        argument = f"{self._path(url)}{separator}cks.type={algorithm}"
        status, answer = self._system(url).query(xrootd.CHECKSUM, argument)
        if status.errno == xrootd.UNSUPPORTED:
            return None
        xrootd.check(status, url)
        words = bytes(answer).rstrip(b"\0").decode("ascii", "replace").split()
        if len(words) != 2 or words[0] != algorithm:
            return None
        return words[1].lower().rjust(8, "0")

    # --- the library ------------------------------------------------------------------------------

    def _system(self, url: str) -> xrootd.FileSystem:
        opaque = self._opaque()
        return xrootd.library(self._settings.stall).FileSystem(
            f"{_server(url)}/{'?' + opaque if opaque else ''}"
        )

    def _path(self, url: str) -> str:
        """Return the path as the server wants it: nothing is escaped there."""
        parts = urlsplit(url)
        path = "/" + unquote(parts.path).lstrip("/")
        if parts.query or "?" in path or "\n" in path:
            raise BadRequest(f"{redact(url)}: root:// knows no names with a question mark or a line break")
        return path.rstrip("/") or "/"

    def _opaque(self) -> str:
        """Return what shows the credential: the library keeps connections apart by it."""
        credential = self._settings.credential
        if credential is None:
            return ""
        match credential.current():
            case X509Proxy(file):
                return f"xrd.gsiusrpxy={file}"
            case BearerToken(value):
                return f"authz={quote('Bearer ' + value.reveal(), safe='')}"
            case _:
                raise BadRequest(
                    f"credential {credential.name}: root:// knows proxy and token, not {credential.kind}"
                )

    @contextmanager
    def _open(self, url: str, flags: int) -> Iterator[xrootd.File]:
        opaque = self._opaque()
        file = xrootd.library(self._settings.stall).File()
        location = f"{_server(url)}/{self._path(url)}{'?' + opaque if opaque else ''}"
        xrootd.check(xrootd.twice(lambda: file.open(location, flags))[0], url)
        try:
            yield file
        finally:
            if file.is_open():
                file.close()


def _server(url: str) -> str:
    """Return the URL of the server, with the scheme as the library knows it."""
    parts = urlsplit(url)
    return f"{scheme_of(url)}://{parts.netloc}"
