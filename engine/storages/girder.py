"""girder: a data platform, `girder://HOST/collection/X/folder/file`, by its REST interface.

The same requests as on a worker node; there a token of the engine, here one made from the user's API key.
Girder tells no checksum: what is stored is compared by size.
"""

from __future__ import annotations

import json
import posixpath
import re
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlencode, urlsplit

from engine.clock import Clock, SystemClock, iso
from engine.domain.urls import child
from engine.errors import BadRequest, CredentialExpired, NotFound, SettingsError, Unavailable
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files
from engine.storages.credentials import ApiKey, BearerToken
from engine.storages.failures import engine_errors
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings
from wrappers.transfer import girder
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Access, HttpClient
from wrappers.transfer.errors import NotHere, Permanent, TransferError, of_status
from wrappers.transfer.part import Expected
from wrappers.transfer.response import Response
from wrappers.transfer.source import Source
from wrappers.transfer.trust import Trust
from wrappers.transfer.url_access import TransferTools, UrlAccess
from wrappers.transfer.webdav import WebdavUploader
from wrappers.wire import Grant

_DAY_S = 86_400.0
_OURS_S = 3_600.0
"""Seconds for which a token of the engine's own is made."""
_RENEW_S = 60.0
"""Seconds before its end at which a token is made anew."""
_POLL_INTERVAL_S = 0.2
_id = re.compile(r"[0-9a-f]{24}").fullmatch
_TOPS = {"/": ("collection", "user"), "/collection": None, "/user": None}
"""Directories that are no resources."""


class GirderStorage(RemoteStorage):
    """`engine.ports.Storage` on Girder. A file is an item with one file of the same name in it."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        client = HttpClient(Budget(float("inf"), settings.stall), Trust(settings.authorities))
        self._tools = TransferTools(client, WebdavUploader(client, settings.read_back))
        self._token: tuple[str, str, float] = ("", "", 0.0)
        self._lock = threading.Lock()
        self._naming = threading.Lock()
        weakref.finalize(self, client.close)
        self.capabilities = StorageCapabilities(
            rename=False, presign=settings.credential is not None, labels=True
        )

    # --- looking ----------------------------------------------------------------------------------

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""
        if _path(url) in _TOPS:
            return Stat(0, 0.0, directory=True)
        with engine_errors(url):
            found = self._lookup(url)
            if found is not None and found["_modelType"] == "item":
                self._rest(url).only_file(found)
        return None if found is None else _stat(found)

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""
        path = _path(url)
        with engine_errors(url):
            rest = self._rest(url)
            if path == "/":
                return {name: Stat(0, 0.0, directory=True) for name in ("collection", "user")}
            if path in _TOPS:
                found = rest.ask("GET", path[1:], limit=0)
                return {item["name" if path == "/collection" else "login"]: _stat(item) for item in found}
            parent = self._lookup(url)
            if parent is None or parent["_modelType"] == "item":
                return {}
            query = {"parentType": parent["_modelType"], "parentId": parent["_id"], "limit": 0}
            below = rest.ask("GET", "folder", **query)
            if parent["_modelType"] == "folder":
                below += rest.ask("GET", "item", folderId=parent["_id"], limit=0)
            return {item["name"]: _stat(item) for item in below}

    # --- ids --------------------------------------------------------------------------------------

    def is_id(self, text: str) -> bool:
        """Say whether a text has the form of an id: those of MongoDB."""
        return _id(text) is not None

    def url_of_id(self, url: str, id: str) -> str:
        """Return the URL of a file, item or folder. A file is named by its item, which has no other one."""
        with engine_errors(url):
            rest = self._rest(url)
            for kind in ("file", "item", "folder"):
                try:
                    found = rest.json("GET", f"{kind}/{id}")
                except (NotHere, Permanent):  # Girder says 400 of an id that it does not know
                    continue
                if kind == "file":
                    kind, id = "item", str(found.get("itemId") or id)
                if kind == "item":
                    rest.only_file({**found, "_id": id})
                path = rest.ask("GET", f"resource/{id}/path", type=kind)
                parts = urlsplit(url)
                return f"{parts.scheme}://{parts.netloc}{quote(str(path))}"
        raise NotFound(f"{id}: no file and no folder of this id can be seen")

    # --- writing ----------------------------------------------------------------------------------

    def _store(self, source: Source, url: str) -> None:
        """Upload under another name; what was there before goes when the new file is complete."""
        part = child(url.rpartition("/")[0], files.part_name())
        try:
            girder.store(self._tools, self._access(part), source)
            with self._naming:
                rest = self._rest(url)
                rest.discard(_path(url))
                item = rest.lookup(_path(part))
                rest.ask("PUT", f"item/{item['_id']}", name=_name(url))
                for file in rest.ask("GET", f"item/{item['_id']}/files", limit=0):
                    rest.ask("PUT", f"file/{file['_id']}", name=_name(url))
        except BaseException:
            with suppress(TransferError):  # what went wrong before is what is told
                girder.remove(self._tools, self._access(part))
            raise

    def move(self, source: str, target: str) -> None:
        """Rename; not for results, since Girder can keep two items of one name."""
        with engine_errors(target), self._naming:
            rest = self._rest(source)
            found = self._lookup(source)
            if found is None:
                raise NotFound(f"nothing to move at {source}")
            if found["_modelType"] not in ("item", "folder"):
                raise BadRequest(f"{source}: a {found['_modelType']} stays where it is")
            if self._lookup(target) is not None:
                raise BadRequest(f"{target} exists already")
            parent = rest.folder(posixpath.dirname(_path(target)))
            above = {"parentType": parent["_modelType"], "parentId": parent["_id"]}
            if found["_modelType"] == "item":
                above = {"folderId": parent["_id"]}
            rest.ask("PUT", f"{found['_modelType']}/{found['_id']}", name=_name(target), **above)

    def delete(self, url: str) -> None:
        """Remove a file or a directory with all it holds."""
        with engine_errors(url):
            found = self._lookup(url)
            if found is None:
                return
            if found["_modelType"] not in ("item", "folder"):
                raise BadRequest(f"{url}: a {found['_modelType']} is not removed from here")
            self._rest(url).ask("DELETE", f"{found['_modelType']}/{found['_id']}")
            self._wait_until_gone(url)

    def _wait_until_gone(self, url: str) -> None:
        """Girder only marks folders for deletion: a task of its own removes them."""
        end = self._clock.now() + self._settings.stall
        while self._lookup(url) is not None:
            if self._clock.now() > end:
                raise Unavailable(f"{url}: it is marked for deletion, but still there")
            self._clock.sleep(_POLL_INTERVAL_S)

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Have items and folders carry these words among their metadata."""
        for url, words in labels.items():
            with engine_errors(url):
                rest = self._rest(url)
                found = rest.lookup(_path(url))
                kind = found["_modelType"]
                if kind == "user":  # has none
                    continue
                rest.json("PUT", f"{kind}/{found['_id']}/metadata", json.dumps(dict(words)).encode())

    # --- reading ----------------------------------------------------------------------------------

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file."""
        with engine_errors(url):
            found = self._lookup(url)
            size = 0 if found is None or found["_modelType"] != "item" else int(found["size"])
            end = size if length is None else min(size, offset + length)
            if found is None or offset >= end:
                return b""
            with self._download(url, found, {"Range": f"bytes={offset}-{end - 1}"}) as answer:
                return answer.read()

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open a file as a stream."""
        with engine_errors(url):
            found = self._lookup(url)
            if found is None or found["_modelType"] != "item":
                raise NotFound(f"no file at {url}")
            with self._download(url, found, {}) as answer:
                yield files.stream(answer.pieces())

    def _fetch(self, url: str, found: Stat, part: Path, progress: Progress | None) -> None:
        with files.WatchedPart(part, Expected(found.size), progress) as arriving:
            girder.fetch(self._tools, self._access(url), arriving)

    def _download(self, url: str, item: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        access = self._access(url)
        source = f"{access.use}/item/{item['_id']}/download"
        answer = self._tools.client.request("GET", source, dict(headers), access=access.access)
        if not 200 <= answer.status < 300:
            answer.close()
            raise of_status(answer.status, answer.headers, f"GET {url}")
        return answer

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """Make a token for so long, with what the user's API key allows: Girder scopes keys, not tokens."""
        if self._settings.credential is None:
            raise BadRequest(f"{url}: there is no API key for this Girder")
        with engine_errors(url):
            token, expires = self._token_for(self._held(), seconds)
        return Grant(url, method, use=self._api(url), headers={"Girder-Token": token}, expires=expires)

    # --- the interface ----------------------------------------------------------------------------

    def _lookup(self, url: str) -> Mapping[str, Any] | None:
        try:
            return self._rest(url).lookup(_path(url))
        except NotHere:
            return None

    def _rest(self, url: str) -> girder.GirderServer:
        return girder.GirderServer(self._tools, self._access(url))

    def _access(self, url: str) -> UrlAccess:
        if self._settings.credential is None:
            return UrlAccess(url, self._api(url))
        return UrlAccess(url, self._api(url), Access({"Girder-Token": self._own_token()}))

    def _api(self, url: str) -> str:
        return (self._settings.api or f"https://{urlsplit(url).netloc}/api/v1").rstrip("/")

    def _own_token(self) -> str:
        with self._lock:
            held = self._held()
            made_from, token, expires = self._token
            if made_from != held.value.reveal() or expires - _RENEW_S <= self._clock.now():
                token, expires = self._token_for(held, _OURS_S)
                self._token = held.value.reveal(), token, expires
            return token

    def _token_for(self, held: ApiKey | BearerToken, seconds: float) -> tuple[str, float]:
        """Return a token and its end: made from a key, or the one that is held."""
        text = held.value.reveal()
        return (
            (text, self._end_of(text)) if isinstance(held, BearerToken) else self._make_token(text, seconds)
        )

    def _end_of(self, token: str) -> float:
        """Return when a token ends.

        Raises:
            CredentialExpired: it has.
        """
        access = UrlAccess(self._settings.url, self._api(self._settings.url), Access({"Girder-Token": token}))
        expires = girder.GirderServer(self._tools, access).json("GET", "token/current").get("expires")
        end = datetime.fromisoformat(expires).timestamp() if isinstance(expires, str) else 0.0
        if end <= self._clock.now():
            since = f" at {iso(end)}" if end else ""
            raise CredentialExpired(
                f"the token for {urlsplit(self._settings.url).netloc} that came with the launch ended{since}",
                remedy="launch again: a token of VIP's portal lasts a day",
            )
        return end

    def _make_token(self, key: str, seconds: float) -> tuple[str, float]:
        """Make a token, and return its end with it."""
        # in the body: URLs are logged
        fields = urlencode({"key": key, "duration": seconds / _DAY_S}).encode()
        api = self._api(self._settings.url)
        rest = girder.GirderServer(self._tools, UrlAccess(self._settings.url, api, Access(_FORM)))
        answer = rest.json("POST", "api_key/token", fields)
        return str(answer["authToken"]["token"]), self._clock.now() + seconds

    def _held(self) -> ApiKey | BearerToken:
        credential = self._settings.credential
        found = credential.current() if credential else None
        if credential is None or not isinstance(found, ApiKey | BearerToken):
            kind = credential.kind if credential else "nothing"
            raise SettingsError(f"{self._settings.url}: Girder wants an API key, not {kind}")
        return found


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _path(url: str) -> str:
    return "/" + unquote(urlsplit(url).path).strip("/")


def _name(url: str) -> str:
    return posixpath.basename(_path(url))


def _stat(found: Mapping[str, Any]) -> Stat:
    directory = found.get("_modelType", "item") != "item"
    size = 0 if directory else int(found.get("size", 0))
    try:
        changed = datetime.fromisoformat(found.get("updated") or found.get("created") or "")
    except (ValueError, TypeError):
        return Stat(size, 0.0, directory)
    return Stat(size, changed.timestamp(), directory)
