"""A real server on loopback with a storage of its own, and clients that say what they mean."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from engine.api.app import RoutingApplication
from engine.api.guard import TokenGuard
from engine.api.se import StorageElement
from engine.api.server import HttpServer
from engine.api.tree import Tree
from engine.app.access import tokens
from engine.app.access.key import Key
from engine.app.access.tokens import VERBS, TokenScope
from engine.errors import Unavailable
from tests.api.asgi import Answer

NOW = 1_800_000_000.0
ALL = frozenset(VERBS)


@dataclass
class House:
    """A running storage."""

    root: Path
    key: Key
    server: HttpServer
    now: float = NOW
    dead: set[str] = field(default_factory=set)
    dead_reason: str = ""
    """Why nobody can say which attempts live."""

    def alive(self, attempt: str) -> bool:
        """Whether an attempt lives."""
        if self.dead_reason:
            raise Unavailable(self.dead_reason)
        return attempt not in self.dead

    @property
    def url(self) -> str:
        """Its URL."""
        return f"{self.server.url}/se"

    def token(
        self, *below: str, verbs: frozenset[str] = ALL, seconds: float = 3600, attempt: str = ""
    ) -> str:
        """A token for everything below a path."""
        return tokens.mint(self.key, TokenScope(below, verbs, self.now + seconds, attempt))

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        token: str = "",
        headers: Mapping[str, str] = {},
        **more: str,
    ) -> Answer:
        """One request; `path` goes over the wire as it is written here.

        `more` are headers too, with `_` for `-` in their names.
        """
        sent = {name.replace("_", "-"): value for name, value in {**headers, **more}.items()}
        sent["Authorization"] = f"Bearer {token or self.token()}"
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=60)
        try:
            connection.request(method, f"/se/{path}", body, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def files(self) -> list[str]:
        """Every file that lies there, parts too."""
        return sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if not p.is_dir())


def start_house(root: Path, quota: int | None = None) -> tuple[House, StorageElement, Tree]:
    tree = Tree(root)
    key = Key(b"k" * 32)
    house: House
    storage = StorageElement(
        tree, TokenGuard(key, lambda: house.now, lambda attempt: house.alive(attempt)), quota
    )
    server = HttpServer(RoutingApplication(storage, FastAPI()), "127.0.0.1:0")
    house = House(root, key, server)
    server.start()
    return house, storage, tree


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A storage without quotas."""
    house, storage, tree = start_house(tmp_path / "storage")
    yield house
    house.server.stop()
    storage.close()
    tree.close()


@pytest.fixture
def small_house(tmp_path: Path) -> Iterator[House]:
    """A storage where an execution may keep 1000 bytes."""
    house, storage, tree = start_house(tmp_path / "storage", quota=1000)
    yield house
    house.server.stop()
    storage.close()
    tree.close()
