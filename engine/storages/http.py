"""http(s) and dav(s): WebDAV servers, storage elements of the grid, and web servers that are only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from engine.domain.urls import child
from engine.errors import BadRequest, CredentialExpired, NotFound
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files, multistatus
from engine.storages.failures import engine_errors
from engine.storages.multistatus import Resource
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings
from engine.storages.webdav import GONE, WebDav
from wrappers.transfer import digest, http
from wrappers.transfer.errors import TransferError, of_status
from wrappers.transfer.part import Expected
from wrappers.transfer.redact import redact
from wrappers.transfer.source import Source


class HttpStorage(RemoteStorage):
    """`engine.ports.Storage` over HTTP. Writes are a temporary name, a comparison and a MOVE."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED) -> None:
        self._dav = WebDav(settings)
        self.capabilities = StorageCapabilities(
            rename=settings.rename is not False,
            checksums=(settings.checksum,) if settings.checksum else (),
        )

    # --- looking ----------------------------------------------------------------------------------

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""
        with engine_errors(url):
            found = self._dav.propfind(url, "0")
            if found is None:
                return self._plain(url)
            return found[0].stat if found else None

    def _plain(self, url: str) -> Stat | None:
        """Describe a file on a server that is not known to speak WebDAV; it may, once it has seen a
        credential.
        """
        strict = self._dav.is_strict(url)
        try:
            found = self._dav.head(url)
        except TransferError:
            if strict or not self._dav.is_strict(url):
                raise
            found = None
        listed = None if strict else self._dav.is_strict(url) and self._dav.propfind(url, "0")
        return listed[0].stat if listed else found

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""
        with engine_errors(url):
            found = self._dav.propfind(url, "1")
            if found is None and self._plain(url) is not None:
                found = self._dav.propfind(url, "1")
                if found is None:
                    raise BadRequest(f"{redact(url)}: this web server cannot list directories")
            if not found or not found[0].stat.directory:
                return {}
            escaped = self._escaped(url, found)
            return {item.name(escaped): item.stat for item in found[1:]}

    def _escaped(self, url: str, found: Sequence[Resource]) -> bool:
        """Say whether names in the answer are escaped: XRootD's are not, and `%20` could be either."""
        if multistatus.looks_unescaped(found):
            return False
        doubtful = next((item for item in found[1:] if "%" in item.href), None)
        if doubtful is None:
            return True
        return not self._dav.propfind(child(url, doubtful.name(escaped=False)), "0")

    # --- writing ----------------------------------------------------------------------------------

    def _store(self, source: Source, url: str) -> None:
        if not self.capabilities.rename:
            self._dav.with_fallback_credentials(
                url, lambda shown: self._dav.uploader.store(_url(url), source, shown)
            )
            return
        target = _url(url)
        part = child(target.rpartition("/")[0], files.part_name())
        try:
            self._dav.with_fallback_credentials(
                part, lambda shown: self._dav.uploader.store(part, source, shown)
            )
            _check(self._dav.rename(part, target, replace=True), f"MOVE {part}")
        except BaseException:
            with suppress(TransferError, CredentialExpired):  # what went wrong before is what is told
                self._dav.delete(part)
            raise

    def move(self, source: str, target: str) -> None:
        """Rename; some servers heed no `Overwrite: F`, so the target is looked at first."""
        with engine_errors(target):
            found = self.stat(source)
            if found is None:
                raise NotFound(f"nothing to move at {source}")
            if self.stat(target) is not None:
                raise BadRequest(f"{target} exists already")
            status = self._dav.rename(_url(source), _url(target), replace=False, directory=found.directory)
            if status == 412:
                raise BadRequest(f"{target} exists already")
            _check(status, f"MOVE {source}")

    def delete(self, url: str) -> None:
        """Remove a file or a directory with all it holds."""
        with engine_errors(url):
            found = self.stat(url)
            if found is None:
                return
            status = self._dav.delete(url + "/" if found.directory else url)
            if found.directory and not 200 <= status < 300 and status not in GONE:
                for name in self.list(url):  # this server removes empty directories only
                    self.delete(child(url, name))
                status = self._dav.delete(url + "/")
            if status not in GONE:
                _check(status, f"DELETE {url}")

    # --- reading ----------------------------------------------------------------------------------

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file."""
        headers = {}
        if offset or length is not None:
            found = self.stat(url)  # XRootD gives nothing for a range without an end, or beyond the file's
            end = 0 if found is None else found.size if length is None else min(found.size, offset + length)
            if offset >= end:
                return b""
            headers = {"Range": f"bytes={offset}-{end - 1}"}
        with engine_errors(url), self._dav.request("GET", url, headers) as answer:
            if answer.status in (*GONE, 416):
                return b""
            _check(answer.status, f"GET {url}", answer.headers)
            skip = offset if answer.status != 206 else 0
            return _cut(answer.pieces(), skip, length)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open a file as a stream."""
        with engine_errors(url), self._dav.request("GET", url) as answer:
            _check(answer.status, f"GET {url}", answer.headers)
            yield files.stream(answer.pieces())

    def _fetch(self, url: str, found: Stat, part: Path, progress: Progress | None) -> None:
        with files.WatchedPart(part, Expected(found.size), progress) as arriving:
            self._dav.with_fallback_credentials(
                url, lambda shown: http.fetch(self._dav.client, _url(url), arriving, shown)
            )

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Return the server's own checksum, else that of what is read back."""
        name = {"sha256": "sha-256"}.get(algorithm, algorithm)
        with engine_errors(url), self._dav.request("HEAD", url, {"Want-Digest": name}) as answer:
            if answer.status in GONE:
                raise NotFound(f"nothing at {redact(url)}")
            digests = digest.parse_digests(answer.headers)
        return digests.get(algorithm) or super().checksum(url, algorithm)


def _url(url: str) -> str:
    return url.rstrip("/") if urlsplit(url).path.strip("/") else url


def _check(status: int, doing: str, headers: Mapping[str, str] = {}) -> None:
    if not 200 <= status < 300:
        raise of_status(status, headers, doing)


def _cut(pieces: Iterator[memoryview], skip: int, length: int | None) -> bytes:
    """Cut the wanted part out of what comes: a server may send the whole file in place of a range."""
    found = bytearray()
    for piece in pieces:
        found += piece[skip:]
        skip = max(0, skip - len(piece))
        if length is not None and len(found) >= length:
            break
    return bytes(found[:length])
