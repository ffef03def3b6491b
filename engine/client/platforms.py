"""Keys for external platforms that a user keeps with a daemon, from Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from engine.client.requests import Requests


class Platforms(Requests):
    """Requests for one's own keys; jobs get short-lived tokens made from them."""

    def platforms(self) -> list[Mapping[str, Any]]:
        """Storages from which files can be taken: `identifier`, `url`."""
        return list(self._json("GET", "externalPlatforms"))

    def platform_keys(self) -> list[str]:
        """Return for which platforms there are keys; never the keys."""
        return [str(one["storageIdentifier"]) for one in self._json("GET", "user/externalKeys")]

    def add_platform_key(self, platform: str, key: str) -> None:
        """Register a key, or replace it.

        Raises:
            BadRequest: there is no such platform, or this is no key.
        """
        wanted = {"storageIdentifier": platform, "apiKey": key}
        self._json("PUT", "user/externalKeys", wanted)

    def remove_platform_key(self, platform: str) -> None:
        """Forget a key.

        Raises:
            NotFound: there is none.
        """
        self._json("DELETE", f"user/externalKeys/{quote(platform, safe='')}")
