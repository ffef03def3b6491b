"""API keys of external platforms (Girder and its kin): registered once by each user, never sent to a job.

A key is a file of its owner's, `keys/<user>/<platform>` beside the default database, like other credentials.
The engine reads it when an attempt asks for leave, and gives the attempt a short-lived token made from it. So
a job that waited for a week finds a fresh one, and a key that was replaced counts from the next request on.

What came with a launch (tokens of a session) is that execution's alone, in `keys/<user>/.executions/<id>/`:
the users of a portal that launches for all of them share one account.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from engine import xdg
from engine.errors import BadRequest, NotFound
from engine.ids import new_id
from engine.settings.data import StorageSection

WITH_SESSIONS = "shanoir"
"""The scheme of platforms that launch with the tokens of their user's session, in place of a key."""
WITH_KEYS = frozenset({"girder"})
"""Schemes of platforms at which each user has a key of their own."""
_EXECUTIONS = ".executions"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Registered:
    """The record of a registered key; never the key."""

    platform: str
    at: float
    """When it was registered, in seconds since 1970-01-01 UTC."""


def default_root() -> Path:
    """Return where keys are kept."""
    return xdg.directory("XDG_DATA_HOME", ".local/share") / "keys"


def has_keys(section: StorageSection) -> bool:
    """Say whether users register keys of their own for a storage: its settings have no credential."""
    return urlsplit(section.url).scheme in WITH_KEYS and not section.credential


def owners() -> list[str]:
    """Users who have any."""
    root = default_root()
    return [unquote(one.name) for one in root.iterdir()] if root.is_dir() else []


class PlatformKeys:
    """The keys of one user, or of one execution. A platform is a storage of the settings, by its name."""

    def __init__(
        self, root: Path, owner: str, storages: Mapping[str, StorageSection], execution: str = ""
    ) -> None:
        self._of_user = root / _file_name(owner)
        self._directory = self._of_user / _EXECUTIONS / execution if execution else self._of_user
        self._storages = storages

    def add(self, platform: str, key: str) -> None:
        """Register a key, or replace it.

        Raises:
            BadRequest: there is no such platform, or this is no key.
        """
        if platform not in self._storages:
            known = ", ".join(sorted(self._storages)) or "none"
            raise BadRequest(f"no storage is called {platform}", remedy=f"in the settings: {known}")
        text = key.strip()
        if not text or len(text) > _LONGEST or not text.isascii() or any(c.isspace() for c in text):
            raise BadRequest("an API key is one word, on one line")
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(platform, f"{text}\n")

    def _write(self, platform: str, text: str) -> None:
        part = self._directory / f".{new_id()}"
        try:
            with open(part, "x", encoding="ascii", opener=_private) as file:
                file.write(text)
            os.replace(part, self._directory / _file_name(platform))
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def of(cls, owner: str, storages: Mapping[str, StorageSection], execution: str = "") -> PlatformKeys:
        """Return those of a user, or of one of the user's executions, where they are kept."""
        return cls(default_root(), owner, storages, execution)

    def hold(self, platform: str, text: str) -> None:
        """Keep what a platform itself has given for a user, in place of what it gave before."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(platform, text)

    def remove(self, platform: str) -> None:
        """Forget a key.

        Raises:
            NotFound: there is none.
        """
        try:
            (self._directory / _file_name(platform)).unlink()
        except FileNotFoundError:
            raise NotFound(
                f"no key is registered for {platform}", remedy="engine keys list shows them"
            ) from None

    def all(self) -> list[Registered]:
        """Return which are registered, by name."""
        if not self._directory.is_dir():
            return []
        files = [path for path in self._directory.iterdir() if not path.name.startswith(".")]
        return sorted(
            (Registered(unquote(path.name), path.stat().st_mtime) for path in files), key=lambda r: r.platform
        )

    def file(self, platform: str) -> Path:
        """Where the key of a platform is, if there is one: an execution's own goes before its user's."""
        directory = self._directory if self.came_with_launch(platform) else self._of_user
        return directory / _file_name(platform)

    def came_with_launch(self, platform: str) -> bool:
        """Say whether the execution has a token of its own for a platform."""
        return self._directory != self._of_user and (self._directory / _file_name(platform)).exists()

    @property
    def exist(self) -> bool:
        """Whether any were kept here."""
        return self._directory.is_dir()

    def executions(self) -> list[str]:
        """List executions of the user that have some of their own."""
        directory = self._of_user / _EXECUTIONS
        return sorted(one.name for one in directory.iterdir()) if directory.is_dir() else []

    def forget(self) -> None:
        """Remove all that an execution had of its own."""
        for path in self._directory.iterdir():
            path.unlink(missing_ok=True)
        self._directory.rmdir()


def _file_name(name: str) -> str:
    """Turn a name into the name of a file: no slash, and no dot at its beginning."""
    text = quote(name, safe="")
    return f"%2E{text[1:]}" if text.startswith(".") else text


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
