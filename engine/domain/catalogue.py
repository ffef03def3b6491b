"""Files under logical names: what a catalogue knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.errors import BadRequest

SCHEME = "lfn:"
"""Before a logical name, makes it a URL."""

RESULTS = "/executions/"
"""Results have the logical names `/executions/<execution>/<name>`."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A file under its logical name."""

    name: str
    """Absolute, like `/biomed/user/x`."""
    size: int | None
    """Bytes, where they are known."""
    checksums: Mapping[str, str]
    """Algorithm -> hexadecimal."""
    replicas: tuple[str, ...]
    """URLs, the preferred one first."""


def same_content(one: CatalogueEntry, other: CatalogueEntry) -> bool:
    """Say whether nothing says that two entries are of different files."""
    if one.size != other.size and None not in (one.size, other.size):
        return False
    common = one.checksums.keys() & other.checksums.keys()
    return all(one.checksums[name] == other.checksums[name] for name in common)


def merged(one: CatalogueEntry, other: CatalogueEntry) -> CatalogueEntry:
    """Merge the replicas and checksums of two entries; the first one's replicas are preferred."""
    replicas = tuple(dict.fromkeys((*one.replicas, *other.replicas)))
    size = one.size if one.size is not None else other.size
    return CatalogueEntry(one.name, size, {**other.checksums, **one.checksums}, replicas)


def name_of(text: str) -> str | None:
    """Return the logical name in `lfn:/...` (`LFN:`, `lfn://...` too); None when it is something else.

    Raises:
        BadRequest: the name is not absolute, or has `.` or `..` in it.
    """
    if text[: len(SCHEME)].lower() != SCHEME:
        return None
    name = text[len(SCHEME) :]
    if not name.startswith("/"):
        raise BadRequest(f"{text}: a logical name begins with a slash", remedy="write lfn:/...")
    return checked("/" + name.lstrip("/"))


def checked(name: str) -> str:
    """Check that a text can be a logical name.

    Raises:
        BadRequest: it cannot.
    """
    parts = name.split("/")[1:]
    if not name.startswith("/") or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise BadRequest(f"{name!r} is no logical name", remedy="write /a/b/c, without . and ..")
    return name


def below(names: Iterable[str], prefix: str) -> list[str]:
    """Return those that lie below a logical directory, sorted."""
    directory = prefix.rstrip("/") + "/"
    return sorted(name for name in names if name.startswith(directory))
