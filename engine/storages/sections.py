"""Which configured storage a URL belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from engine.dirac.settings import CatalogueSettings
from engine.domain.urls import SAME, nearest
from engine.errors import BadRequest
from engine.storages.credentials import CredentialSource


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The settings of a storage: its section. The default is an unconfigured one."""

    url: str = ""
    """What all of its URLs begin with; empty: any URL of the scheme."""
    aliases: tuple[str, ...] = ()
    credential: CredentialSource | None = None
    """None: whatever the environment offers, or nothing."""
    api: str = ""
    region: str = "us-east-1"
    checksum: str = ""
    rename: bool | None = None
    stall: float = 60.0
    """Seconds without a byte after which a request has failed."""
    parallel: int = 8
    read_back: int = 256 << 20
    """Bytes of a file that is read back where a server tells no checksum; others are compared by size."""
    authorities: str = ""
    dirac: CatalogueSettings | None = None
    """What `lfn:` needs; None: no DIRAC client is configured."""


def storage_of(url: str, known: Iterable[StorageSettings]) -> StorageSettings | None:
    """Find the storage to which the URL belongs by its longest prefix, aliases included; None: to none.

    Its `url` is the alias by which it was found.
    """
    every = ((alias, settings) for settings in known for alias in (settings.url, *settings.aliases))
    found = nearest(url, every)
    if found is None:
        return None
    alias, settings = found
    return settings if alias == settings.url else _by_alias(settings, alias)


UNCONFIGURED = StorageSettings()


def scheme_of(url: str) -> str:
    """Return the scheme of a URL, in its first spelling.

    Raises:
        BadRequest: it has none.
    """
    scheme = urlsplit(url).scheme.lower()
    if not scheme:
        raise BadRequest(f"{url!r} is no URL", remedy="write STORAGE:PATH or SCHEME://...")
    return SAME.get(scheme, scheme)


def _by_alias(settings: StorageSettings, alias: str) -> StorageSettings:
    others = tuple(other for other in (settings.url, *settings.aliases) if other != alias)
    return replace(settings, url=alias, aliases=others)
