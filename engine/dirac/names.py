"""Logical names and the URLs that are made of them: `lfn:/biomed/a b` is written `lfn:/biomed/a%20b`."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from engine.domain.catalogue import SCHEME, checked


def url_of(name: str) -> str:
    """Return the URL of a logical name."""
    return SCHEME + quote(name)


def name_of(url: str) -> str:
    """Return the logical name in a URL; `/` for the top.

    Raises:
        BadRequest: it cannot be one.
    """
    path = "/" + unquote(urlsplit(url).path).strip("/")
    return path if path == "/" else checked(path)
