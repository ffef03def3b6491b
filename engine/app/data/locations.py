"""Where files are, as people write it: `storage:path` of a configured storage, a URL, a logical name or a
path of this machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote, urlsplit

from engine.domain.catalogue import SCHEME, name_of
from engine.domain.urls import below, nearest
from engine.errors import BadRequest
from engine.settings.data import StorageSection


def url_of(text: str, storages: Mapping[str, StorageSection]) -> str | None:
    """Find the URL that is meant; None when it is a path of this machine.

    Raises:
        BadRequest: a path leaves its storage.
    """
    if name := name_of(text):
        return f"{SCHEME}{name}"
    if "://" in text:
        parts = urlsplit(text)
        return None if parts.scheme == "file" else text
    name, colon, path = text.partition(":")
    if not colon or name not in storages:
        return None
    if ".." in path.split("/"):
        raise BadRequest(f"{text}: a path in a storage has no ..")
    below = quote(path.strip("/"))
    base = storages[name].url.rstrip("/")
    return f"{base}/{below}" if below else base


def aliases_of(url: str, storages: Mapping[str, StorageSection]) -> list[str]:
    """Further URLs of the same file, by the other aliases of its storage, in their order."""
    found = nearest(url, _aliases(storages))
    if found is None:
        return []
    base, name = found
    rest = below(url, base) or ""
    section = storages[name]
    return [alias.rstrip("/") + rest for alias in (section.url, *section.aliases) if alias != base]


def storage_name(url: str, storages: Mapping[str, StorageSection]) -> str:
    """Name the storage that a URL belongs to; its host when it is none of the settings."""
    found = nearest(url, _aliases(storages))
    return found[1] if found else urlsplit(url).hostname or "localhost"


def _aliases(storages: Mapping[str, StorageSection]) -> Iterator[tuple[str, str]]:
    """Yield every alias of every storage, and the storage's name."""
    return ((alias, name) for name, one in storages.items() for alias in (one.url, *one.aliases))


def path_of(text: str) -> str:
    """Find the path of this machine that is meant: `file:/abs` and `file:///abs` name one, other text is one.

    Raises:
        BadRequest: it is a file of another machine.
    """
    if not text.startswith("file:/"):
        return text
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise BadRequest(
            f"{text}: a file of the machine {parts.netloc}", remedy="write file:///absolute/path"
        )
    return unquote(parts.path)
