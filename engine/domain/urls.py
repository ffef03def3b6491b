"""Rules about the text of URLs of files."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit


def child(url: str, name: str) -> str:
    """The URL of a name below a directory."""
    base, query, rest = url.partition("?")
    return f"{base.rstrip('/')}/{quote(name, safe='')}{query}{rest}"


def parent(url: str) -> str:
    """The URL of the directory that holds it."""
    return url.partition("?")[0].rstrip("/").rpartition("/")[0]


def name_of(url: str) -> str:
    """The last part of its path, unescaped; "" for the top of a storage."""
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])


def leaves(name: str) -> bool:
    """Whether a name that a storage gave would lead out of the directory it is said to be in."""
    return name in ("", ".", "..") or "/" in name or "\0" in name
