"""The verbs of WebDAV, and what servers make of them: nginx, Apache, XRootD, dCache, StoRM."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from engine.ports import Stat
from engine.storages import multistatus
from engine.storages.access import access
from engine.storages.multistatus import Listed
from engine.storages.places import StorageSettings
from wrappers.transfer import http
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Access, Client
from wrappers.transfer.errors import Permanent, of_status
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust
from wrappers.transfer.webdav import Uploader

GONE = (404, 410)
_LISTING = 1 << 28
"""Bytes of the longest list of a directory that is read."""
_WITH_SLASH = (400, 404, 409)
"""What servers say to a directory's URL without a slash; and, some of them, with one."""


class WebDav:
    """Requests to the servers of one storage, and what was learnt of them. Shared by threads."""

    def __init__(self, settings: StorageSettings) -> None:
        self._credential = settings.credential
        self.client = Client(Budget(float("inf"), settings.stall), Trust(settings.authorities))
        self.uploader = Uploader(self.client)
        self._speaks_dav: dict[str, bool] = {}
        self._wants_raw: dict[str, bool] = {}
        """Whether a server takes a Destination as it is: XRootD 5.5 does not unescape it."""
        weakref.finalize(self, self.client.close)

    def access(self, url: str) -> Access:
        """What is shown there."""
        return access(self._credential, urlsplit(url).scheme in ("https", "davs"))

    def ask(self, method: str, url: str, headers: Mapping[str, str] = {}) -> Response:
        """The answer to a request without a body."""
        return self.client.request(method, url, dict(headers), access=self.access(url))

    def propfind(self, url: str, depth: str) -> Sequence[Listed] | None:
        """What is there, the URL's own resource first; nothing when there is none; None: not a DAV server."""
        server = urlsplit(url).netloc
        if self._speaks_dav.get(server) is False:
            return None
        with self.ask("PROPFIND", url, {"Depth": depth}) as answer:
            status, headers = answer.status, answer.headers
            text = answer.read(_LISTING) if status == 207 else b""
        if status == 207:
            self._speaks_dav[server] = True
            return multistatus.parse(text, url)
        if status in GONE and self._speaks_dav.get(server):
            return []
        if status >= 500 and status != 501:
            raise of_status(status, headers, f"PROPFIND {url}")
        if self._speaks_dav.get(server):
            raise of_status(status, headers, f"PROPFIND {url}")
        return None

    def head(self, url: str) -> Stat | None:
        """A file of a server that knows no PROPFIND."""
        with self.ask("HEAD", url) as answer:
            status, headers, size = answer.status, answer.headers, answer.length
        if status in (401, 403, 405) or (200 <= status < 300 and size is None):
            # a presigned URL is good for one method, and some servers tell no size
            with self.ask("GET", url, {"Range": "bytes=0-0"}) as answer:
                status, headers, size = answer.status, answer.headers, answer.length
            if status == 206:
                size = http.content_range(headers.get("content-range", ""))[1]
            elif status == 416:
                status, size = 200, 0  # an empty file has no first byte
        if status in GONE:
            return None
        if not 200 <= status < 300:
            raise of_status(status, headers, f"HEAD {url}")
        return Stat(size or 0, multistatus.seconds(headers.get("last-modified", "")))

    def rename(self, source: str, target: str, *, replace: bool, directory: bool = False) -> int:
        """MOVE, making the directories above; the status of the answer. Without `replace` 412 says that the
        target exists, but XRootD does not heed that.
        """
        status = self._move(source, target, replace, "")
        if status in _WITH_SLASH and self.uploader.make_parents(target, self.access(target)):
            status = self._move(source, target, replace, "")
        if status in _WITH_SLASH and directory:
            status = self._move(source, target, replace, "/")
        return status

    def _move(self, source: str, target: str, replace: bool, end: str) -> int:
        server = urlsplit(target).netloc
        raw = self._wants_raw.get(server)
        destination = _raw(target + end) if raw else target + end
        headers = {"Destination": destination, "Overwrite": "T" if replace else "F"}
        with self.ask("MOVE", source + end, headers) as answer:
            status = answer.status
        if 200 <= status < 300 and raw is None and "%" in target:
            self._wants_raw[server] = not self.propfind(target, "0")
            if self._wants_raw[server]:  # it went to a name with percent signs
                status = self._move(_literal(target), target, replace, end)
                self._tidy(target)
        return status

    def _tidy(self, target: str) -> None:
        """Remove the empty directories with percent signs that a MOVE made above its target."""
        directory = target.rpartition("/")[0]
        while "%" in urlsplit(directory).path:
            inside = self.propfind(_literal(directory), "1")
            if inside is None or len(inside) == 1:
                self.delete(_literal(directory))
            directory = directory.rpartition("/")[0]

    def delete(self, url: str) -> int:
        """DELETE; the status of the answer."""
        with self.ask("DELETE", url) as answer:
            return answer.status


def _literal(url: str) -> str:
    """The URL of a name that holds the escapes of this one."""
    return url.replace("%", "%25")


def _raw(url: str) -> str:
    """A URL without escapes, as the bytes that a header carries; the question mark keeps XRootD from cutting
    off letters beyond ASCII at the end of a name.

    Raises:
        Permanent: its name cannot be said in this way.
    """
    text = unquote(url)
    if any(mark in text for mark in "?\r\n\0"):
        raise Permanent(f"{url}: this server cannot rename to a name with a question mark or line break")
    return text.encode().decode("latin-1") + "?"
