"""What a user keeps in Girder."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from engine.clock import SystemClock
from engine.domain.urls import child
from engine.storages.girder import GirderStorage
from tests.services.girder import Girder
from tests.storages.test_girder import settings_of


class Warehouse:
    """What a user keeps in Girder: a private collection with a folder."""

    def __init__(self, girder: Girder, directory: Path) -> None:
        self.girder = girder
        self.storage = GirderStorage(settings_of(girder, directory), SystemClock())
        self.top = f"girder://{girder.host}/collection/tests/runs"

    def ask(self, what: str, **query: str) -> Any:
        token = self.storage.presign(self.top, "GET", 600.0).headers
        url = f"{self.girder.api}/{what}?{urlencode(query)}"
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(token))) as answer:
            return json.loads(answer.read())

    def put(self, name: str, content: bytes) -> str:
        """Keep a file; gives the id of the file, as VipGirder names it."""
        self.storage.put(content, child(self.top, name))
        item = self.ask("resource/lookup", path=f"/collection/tests/runs/{name}")
        [file] = self.ask(f"item/{item['_id']}/files")
        return str(file["_id"])

    def token(self) -> str:
        """A new token of the user's key, as VIP's portal makes one."""
        fields = urlencode({"key": self.girder.key, "duration": 1.0}).encode()
        with urllib.request.urlopen(f"{self.girder.api}/api_key/token", fields) as answer:
            return str(json.loads(answer.read())["authToken"]["token"])

    def location(self, id_: str, token: str, name: str = "a b.txt", api: str = "") -> str:
        """Name a file or folder as VIP's portal does."""
        return f"girder:/{name}?apiurl={api or self.girder.api}&fileId={id_}&token={token}"

    def end(self, token: str) -> None:
        """End a token before its time."""
        request = urllib.request.Request(
            f"{self.girder.api}/token/session", headers={"Girder-Token": token}, method="DELETE"
        )
        urllib.request.urlopen(request).close()

    def folder(self, name: str) -> str:
        """Make a folder; gives its id."""
        self.storage.put(b"", child(child(self.top, name), "made"))
        self.storage.delete(child(child(self.top, name), "made"))
        return str(self.ask("resource/lookup", path=f"/collection/tests/runs/{name}")["_id"])

    def meta(self, name: str) -> dict[str, str]:
        """The metadata of a folder or an item."""
        return dict(self.ask("resource/lookup", path=f"/collection/tests/{name}").get("meta", {}))

    def read(self, folder: str) -> dict[str, bytes]:
        """What lies directly in a folder."""
        place = child(self.top, folder)
        return {name: self.storage.read(child(place, name)) for name in self.storage.list(place)}
