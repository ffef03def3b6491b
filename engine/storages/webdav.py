"""The verbs of WebDAV, and what servers make of them: nginx, Apache, XRootD, dCache, StoRM."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from engine.ports import Stat
from engine.storages import multistatus
from engine.storages.access import access, of_environment
from engine.storages.multistatus import Resource
from engine.storages.sections import StorageSettings
from wrappers.transfer import http
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Access, HttpClient
from wrappers.transfer.errors import Denied, Permanent, of_status
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust
from wrappers.transfer.webdav import WebdavUploader

_T = TypeVar("_T")
GONE = (404, 410)
_LISTING = 1 << 28
"""Bytes of the longest list of a directory that is read."""
_WITH_SLASH = (400, 404, 409)  # Apache says 500 when there is no directory for the target
"""What servers say to a directory's URL without a slash; and, some of them, with one."""


class WebDav:
    """Requests to the servers of one storage, and what was learnt of them. Shared by threads."""

    def __init__(self, settings: StorageSettings) -> None:
        self._credential = settings.credential
        self.client = HttpClient(Budget(float("inf"), settings.stall), Trust(settings.authorities))
        self.uploader = WebdavUploader(self.client, settings.read_back)
        self._speaks_dav: dict[str, bool] = {}
        self._strict: set[str] = set()
        """Servers that do not do without a credential."""
        self._wants_raw: dict[str, bool] = {}
        """Whether a server takes a Destination as it is: XRootD 5.5 does not unescape it."""
        weakref.finalize(self, self.client.close)

    def access(self, url: str) -> Access:
        """Choose what is shown there: the credential; without one what the environment offers, to servers
        that refused without.
        """
        if self._credential is None and urlsplit(url).netloc in self._strict:
            return of_environment()
        return access(self._credential)

    def with_fallback_credentials(self, url: str, act: Callable[[Access], _T]) -> _T:
        """Do something; once more with what the environment offers, when the server refuses nobody in
        particular.

        Raises:
            Denied: it refuses what there is.
        """
        try:
            return act(self.access(url))
        except Denied:
            server = urlsplit(url)
            secure = server.scheme in ("https", "davs")  # not in clear text
            if self._credential is not None or not secure or server.netloc in self._strict:
                raise
            self._strict.add(server.netloc)
            return act(self.access(url))

    def is_strict(self, url: str) -> bool:
        """Say whether the server is shown what the environment offers."""
        return urlsplit(url).netloc in self._strict

    def request(
        self, method: str, url: str, headers: Mapping[str, str] = {}, *, insist: bool = True
    ) -> Response:
        """Send a request without a body, and return the answer.

        Raises:
            Denied: the server refuses what there is.
        """

        def act(shown: Access) -> Response:
            answer = self.client.request(method, url, dict(headers), access=shown)
            if answer.status in (401, 403):
                answer.close()
                raise of_status(answer.status, answer.headers, f"{method} {url}")
            return answer

        return self.with_fallback_credentials(url, act) if insist else act(self.access(url))

    def propfind(self, url: str, depth: str) -> Sequence[Resource] | None:
        """List what is there, the URL's own resource first; nothing when there is none; None: not a DAV
        server.
        """
        server = urlsplit(url).netloc
        if self._speaks_dav.get(server) is False:
            return None
        known = bool(self._speaks_dav.get(server))
        try:  # a web server that is only read refuses this to everybody: no reason to show it anything
            with self.request("PROPFIND", url, {"Depth": depth}, insist=known) as answer:
                status, headers = answer.status, answer.headers
                text = answer.read(_LISTING) if status == 207 else b""
        except Denied:
            if known:
                raise
            return None
        if status == 207:
            self._speaks_dav[server] = True
            return multistatus.parse(text, url)
        if status in GONE and known:
            return []
        if known or (status >= 500 and status != 501):
            raise of_status(status, headers, f"PROPFIND {url}")
        return None

    def head(self, url: str) -> Stat | None:
        """Describe a file of a server that knows no PROPFIND."""
        status, headers, size = 405, {}, None
        with suppress(Denied), self.request("HEAD", url, insist=False) as answer:
            status, headers, size = answer.status, answer.headers, answer.length
        if status == 405 or (200 <= status < 300 and size is None):
            # a presigned URL is good for one method, and some servers tell no size
            with self.request("GET", url, {"Range": "bytes=0-0"}) as answer:
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
        if status in (*_WITH_SLASH, 500) and self.uploader.make_parents(target, self.access(target)):
            status = self._move(source, target, replace, "")
        if status in _WITH_SLASH and directory:
            status = self._move(source, target, replace, "/")
        return status

    def _move(self, source: str, target: str, replace: bool, end: str) -> int:
        server = urlsplit(target).netloc
        raw = self._wants_raw.get(server)
        destination = _raw(target + end) if raw else target + end
        headers = {"Destination": destination, "Overwrite": "T" if replace else "F"}
        with self.request("MOVE", source + end, headers) as answer:
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
        with self.request("DELETE", url) as answer:
            return answer.status


def _literal(url: str) -> str:
    """Return the URL of a name that holds the escapes of this one."""
    return url.replace("%", "%25")


def _raw(url: str) -> str:
    """Return a URL without escapes, as the bytes that a header carries; the question mark keeps XRootD from
    cutting off letters beyond ASCII at the end of a name.

    Raises:
        Permanent: its name cannot be said in this way.
    """
    text = unquote(url)
    if any(mark in text for mark in "?\r\n\0"):
        raise Permanent(f"{url}: this server cannot rename to a name with a question mark or line break")
    return text.encode().decode("latin-1") + "?"
