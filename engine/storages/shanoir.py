"""shanoir: the CARMIN-Data of Shanoir, `shanoir://HOST/FORMAT/CONVERTER/RESOURCE/NAME`.

It sends data sets as archives that it makes while it is asked, and takes results as base64 in JSON; it tells
nothing of what it has, and removes nothing. Requests show the token of the user for whom they are made.
"""

from __future__ import annotations

import base64
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlencode, urlsplit

from engine.errors import BadRequest
from engine.ports import Stat, StorageCapabilities
from engine.storages import files
from engine.storages.access import access
from engine.storages.credentials import BearerToken
from engine.storages.failures import engine_errors
from engine.storages.remote import RemoteStorage
from engine.storages.sections import UNCONFIGURED, StorageSettings
from wrappers.transfer.budget import Budget
from wrappers.transfer.client import Access, Body, HttpClient
from wrappers.transfer.errors import of_status
from wrappers.transfer.source import Source
from wrappers.transfer.trust import Trust
from wrappers.wire import Grant

NONE = "-"
"""In place of a converter."""


class ShanoirStorage(RemoteStorage):
    """`engine.ports.Storage` as far as Shanoir lets it."""

    def __init__(self, settings: StorageSettings = UNCONFIGURED) -> None:
        self._settings = settings
        self._client = HttpClient(Budget(float("inf"), settings.stall), Trust(settings.authorities))
        weakref.finalize(self, self._client.close)
        self.capabilities = StorageCapabilities(rename=False, presign=True, tells=False)

    def stat(self, url: str) -> Stat | None:
        """Nothing: Shanoir does not tell."""
        return None

    def entries(self, url: str) -> Mapping[str, Stat]:
        """Nothing, likewise."""
        return {}

    def move(self, source: str, target: str) -> None:
        """Shanoir knows no rename."""
        raise BadRequest(f"{source} cannot be renamed: Shanoir has no such request")

    def delete(self, url: str) -> None:
        """Shanoir removes nothing."""
        raise BadRequest(f"{url} cannot be removed: Shanoir has no such request")

    def read(self, url: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a piece of a file, for which the whole is made."""
        with self.open(url) as file:
            files.skip(file, offset)
            return file.read() if length is None else file.read(length)

    @contextmanager
    def open(self, url: str) -> Iterator[BinaryIO]:
        """Open a file as a stream."""
        with (
            engine_errors(url),
            self._client.request("GET", self._source(url), access=self._access()) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise of_status(answer.status, answer.headers, f"GET {url}")
            yield files.stream(answer.pieces())

    def presign(self, url: str, method: str, seconds: float) -> Grant:
        """Grant the user's token of this moment, with what it is for: it is good for some minutes."""
        if method != "GET" or self._settings.credential is None:
            raise BadRequest(f"{url}: there is no token for this platform")
        found = self._settings.credential.current()
        if not isinstance(found, BearerToken):
            raise BadRequest(f"{url}: Shanoir wants a token, not {self._settings.credential.kind}")
        headers = {"Authorization": f"Bearer {found.value.reveal()}"}
        return Grant(url, method, use=self._source(url), headers=headers, expires=float(found.expires))

    def _store(self, source: Source, url: str) -> None:
        kind = {"Content-Type": "application/carmin+json"}
        endpoint = f"{self._api()}/{quote(unquote(urlsplit(url).path).lstrip('/'))}"
        with self._client.request("PUT", endpoint, kind, _Enveloped(source), self._access()) as answer:
            if not 200 <= answer.status < 300:
                raise of_status(answer.status, answer.headers, f"PUT {url}")

    def _source(self, url: str) -> str:
        pieces = [unquote(one) for one in urlsplit(url).path.strip("/").split("/")]
        if len(pieces) < 4:
            raise BadRequest(f"{url}: a data set of Shanoir is FORMAT/CONVERTER/RESOURCE/NAME")
        format_, converter, resource = pieces[:3]
        query = {"format": format_, **({"converterId": converter} if converter != NONE else {})}
        return f"{self._api()}/{quote(resource, safe='')}?{urlencode(query)}"

    def _api(self) -> str:
        return self._settings.api.rstrip("/")

    def _access(self) -> Access:
        return access(self._settings.credential)


class _Enveloped(Body):
    """A file as base64 in JSON, piece by piece."""

    _HEAD, _TAIL = b'{"type": "File", "md5": "none", "base64Content": "', b'"}'

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = len(self._HEAD) + 4 * ((source.size + 2) // 3) + len(self._TAIL)

    def pieces(self) -> Iterator[Any]:
        """Yield the document, from the start."""
        yield self._HEAD
        rest = b""
        for piece in self._source.pieces():
            data = rest + bytes(piece)
            whole = len(data) - len(data) % 3
            yield base64.b64encode(data[:whole])
            rest = data[whole:]
        yield base64.b64encode(rest) + self._TAIL
