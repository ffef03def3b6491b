"""Which configured storage a URL belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from engine.dirac.settings import Grid
from engine.errors import BadRequest
from engine.storages.credentials import CredentialSource

SAME = {"dav": "http", "davs": "https", "xroot": "root", "xroots": "roots"}
"""Schemes that are another word for another."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """What a storage is made from: its section of the settings. The default is an unconfigured one."""

    url: str = ""
    """What all of its URLs begin with; empty: any URL of the scheme."""
    doors: tuple[str, ...] = ()
    credential: CredentialSource | None = None
    """None: whatever the environment offers, or nothing."""
    api: str = ""
    region: str = "us-east-1"
    checksum: str = ""
    rename: bool | None = None
    stall: float = 60.0
    """Seconds without a byte after which a request has failed."""
    parallel: int = 8
    authorities: str = ""
    dirac: Grid | None = None
    """What `lfn:` needs; None: no DIRAC client is configured."""


def place_of(url: str, places: Iterable[StorageSettings]) -> StorageSettings | None:
    """The storage to which the URL belongs by its longest prefix, other doors included; None: to none.

    Its `url` is the door by which it was found.
    """
    best: tuple[int, StorageSettings, str] | None = None
    for place in places:
        for door in (place.url, *place.doors):
            size = _depth_below(url, door)
            if size is not None and (best is None or size > best[0]):
                best = size, place, door
    if best is None:
        return None
    _, place, door = best
    return place if door == place.url else _by_door(place, door)


UNCONFIGURED = StorageSettings()


def scheme_of(url: str) -> str:
    """The scheme of a URL, in its first spelling.

    Raises:
        BadRequest: it has none.
    """
    scheme = urlsplit(url).scheme.lower()
    if not scheme:
        raise BadRequest(f"{url!r} is no URL", remedy="write STORAGE:PATH or SCHEME://...")
    return SAME.get(scheme, scheme)


def _by_door(place: StorageSettings, door: str) -> StorageSettings:
    others = tuple(other for other in (place.url, *place.doors) if other != door)
    return replace(place, url=door, doors=others)


def _depth_below(url: str, base: str) -> int | None:
    """How many characters of the URL the base covers; None when it lies elsewhere."""
    given, wanted = _comparable(url), _comparable(base)
    if given == wanted or given.startswith(wanted + "/"):
        return len(wanted)
    return None


def _comparable(url: str) -> str:
    """One spelling: one word for a scheme, host in small letters, no usual port, no slash at the end."""
    parts = urlsplit(url)
    scheme = SAME.get(parts.scheme.lower(), parts.scheme.lower())
    usual = {"http": ":80", "https": ":443", "root": ":1094", "roots": ":1094"}.get(scheme, "\0")
    host = parts.netloc.lower().removesuffix(usual)
    path = parts.path.rstrip("/")
    if scheme in ("root", "roots"):
        path = "/" + path.lstrip("/")
    return f"{scheme}://{host}{path}".rstrip("/") if path.strip("/") else f"{scheme}://{host}"
