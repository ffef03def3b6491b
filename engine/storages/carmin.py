"""carmin: another platform that speaks CARMIN-Data 0.3.1, `carmin://HOST/path`.

It is spoken to in the dialect of VIP where the two differ. There is no rename and no range: a piece of a file
costs the whole file.
"""

from __future__ import annotations

import base64
import json
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from engine.clock import Clock, SystemClock
from engine.errors import BadRequest, NotFound, SettingsError, Unavailable
from engine.ports import Progress, Stat, StorageCapabilities
from engine.storages import files
from engine.storages.credentials import ApiKey, BearerToken
from engine.storages.failures import engine_errors
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings
from wrappers.transfer import http
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import NOBODY, Access, Body, Bytes, HttpClient
from wrappers.transfer.errors import Permanent, Transient, of_status
from wrappers.transfer.part import Expected
from wrappers.transfer.response import Response
from wrappers.transfer.source import Source
from wrappers.transfer.trust import Trust

_GENERAL_REFUSAL = 400
"""CARMIN's answer to nearly everything that does not work, files that are not there included."""
_POLL_INTERVAL_S = 0.2


class CarminStorage(RemoteStorage):
    """`engine.ports.Storage` over the REST interface of another platform."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._client = HttpClient(Budget(float("inf"), settings.stall), Trust(settings.authorities))
        weakref.finalize(self, self._client.close)
        self.capabilities = StorageCapabilities(
            rename=False, checksums=(settings.checksum,) if settings.checksum else ()
        )

    # --- looking ----------------------------------------------------------------------------------

    def stat(self, url: str) -> Stat | None:
        """Describe what lies there."""
        with engine_errors(url):
            found = self._look(url, "properties")
        if found is None or found.get("exists") is False:
            return None
        return _stat(found)

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Names directly under a directory, and what they are."""
        with engine_errors(url):
            found = self._look(url, "list") or []
        return {_name(item): _stat(item) for item in found}

    # --- writing ----------------------------------------------------------------------------------

    def _store(self, source: Source, url: str) -> None:
        self._make_directory(url.rpartition("/")[0])
        if source.size:
            self._put(url, source, "application/octet-stream")
        else:  # an empty body makes a directory
            empty = {"base64Content": base64.b64encode(b"").decode(), "type": "File"}
            self._put(url, Bytes(json.dumps(empty).encode()), "application/carmin+json")
        found = self._look(url, "properties")
        if found is None or _stat(found).size != source.size:
            raise Transient(f"{url}: the platform does not hold the {source.size} bytes that it took")
        md5 = self._server_md5(url)
        if md5 is not None and md5 != source.sum("md5"):
            raise Transient(f"{url}: the platform holds md5 {md5}, not {source.sum('md5')}")

    def _make_directory(self, url: str) -> None:
        if not urlsplit(url).path.strip("/") or self._look(url, "exists"):
            return
        self._make_directory(url.rpartition("/")[0])
        self._put(url + "/", Bytes(b""), "application/octet-stream")

    def move(self, source: str, target: str) -> None:
        """CARMIN knows no rename."""
        raise BadRequest(
            f"{source} cannot be renamed: CARMIN has no such request", remedy="copy, then remove"
        )

    def delete(self, url: str) -> None:
        """Remove a file or a directory with all it holds; VIP does so some time after it has said so."""
        with engine_errors(url):
            if not self._look(url, "exists"):
                return
            with self._request("DELETE", url) as answer:
                if not 200 <= answer.status < 300:
                    raise _refusal(answer, f"DELETE {url}")
            end = self._clock.now() + self._settings.stall
            while self._look(url, "exists"):
                if self._clock.now() > end:
                    raise Unavailable(f"{url}: it was to be removed, but is still there")
                self._clock.sleep(_POLL_INTERVAL_S)

    # --- reading ----------------------------------------------------------------------------------

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open a file as a stream."""
        with engine_errors(url):
            if not self._look(url, "exists"):
                raise NotFound(f"nothing at {url}")
            with self._request("GET", url, "content") as answer:
                if not 200 <= answer.status < 300:
                    raise _refusal(answer, f"GET {url}")
                yield files.stream(answer.pieces())

    def _fetch(self, url: str, found: Stat, part: Path, progress: Progress | None) -> None:
        with files.WatchedPart(part, Expected(found.size), progress) as arriving:
            http.fetch(self._client, self._url(url, "content"), arriving, self._access())

    def checksum(self, url: str, algorithm: str = "sha256") -> str:
        """Return the platform's md5 where it has one, else the checksum of what is read back."""
        with engine_errors(url):
            md5 = self._server_md5(url) if algorithm == "md5" else None
        return md5 if md5 is not None else super().checksum(url, algorithm)

    # --- the interface ----------------------------------------------------------------------------

    def _look(self, url: str, action: str) -> Any:
        """Ask the platform; None when nothing is there."""
        with self._request("GET", url, action) as answer:
            if answer.status == 404:
                return None
            if answer.status == _GENERAL_REFUSAL:
                if action == "exists" or self._look(url, "exists"):
                    raise _refusal(answer, f"{action} {url}")
                return None
            if not 200 <= answer.status < 300:
                raise _refusal(answer, f"{action} {url}")
            text = answer.read()
        try:
            found = json.loads(text)
        except ValueError:
            raise Transient(f"{action} {url}: the answer is not JSON") from None
        return found["exists"] if action == "exists" else found

    def _server_md5(self, url: str) -> str | None:
        with self._request("GET", url, "md5") as answer:
            if not 200 <= answer.status < 300:  # VIP has not implemented it
                return None
            found = json.loads(answer.read())
        value = found.get("md5") if isinstance(found, dict) else None
        return value.lower() if isinstance(value, str) else None

    def _put(self, url: str, body: Body, kind: str) -> None:
        headers = {"Content-Type": kind}
        with self._client.request("PUT", self._url(url), headers, body, self._access()) as answer:
            if not 200 <= answer.status < 300:
                raise _refusal(answer, f"PUT {url}")

    def _request(self, method: str, url: str, action: str = "") -> Response:
        return self._client.request(method, self._url(url, action), access=self._access())

    def _url(self, url: str, action: str = "") -> str:
        parts = urlsplit(url)
        api = (self._settings.api or f"https://{parts.netloc}/rest").rstrip("/")
        path = quote(unquote(parts.path).lstrip("/"))
        return f"{api}/path/{path}{'?action=' + action if action else ''}"

    def _access(self) -> Access:
        credential = self._settings.credential
        if credential is None:
            return NOBODY
        match credential.current():
            case ApiKey(value):
                return Access({"apikey": value.reveal()})
            case BearerToken(value):
                return Access({"Authorization": f"Bearer {value.reveal()}"})
            case _:
                raise SettingsError(
                    f"credential {credential.name}: CARMIN knows key and token, not {credential.kind}"
                )


def _refusal(answer: Response, doing: str) -> Exception:
    """Translate a refusal of the platform, with its own message where it has one."""
    if answer.status != _GENERAL_REFUSAL:
        return of_status(answer.status, answer.headers, doing)
    try:
        words = json.loads(answer.read(1 << 16)).get("errorMessage", "")
    except (ValueError, AttributeError):
        words = ""
    return Permanent(f"{doing}: {words or 'refused'}")


def _name(found: Mapping[str, Any]) -> str:
    path = str(found.get("path") or found.get("platformPath") or "")
    return path.rstrip("/").rpartition("/")[2]


def _stat(found: Mapping[str, Any]) -> Stat:
    directory = bool(found.get("isDirectory"))
    size = 0 if directory else int(found.get("size") or 0)
    return Stat(size, float(found.get("lastModificationDate") or 0), directory)
