"""Rules about the text of URLs of files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

_T = TypeVar("_T")
SAME = {"dav": "http", "davs": "https", "xroot": "root", "xroots": "roots"}
"""Schemes that are another word for another."""
_USUAL_PORTS = {"http": ":80", "https": ":443", "root": ":1094", "roots": ":1094"}


def child(url: str, name: str) -> str:
    """Return the URL of a name below a directory, whatever bytes the name is made of."""
    base, query, rest = url.partition("?")
    return f"{base.rstrip('/')}/{quote(name, safe='', errors='surrogateescape')}{query}{rest}"


def parent(url: str) -> str:
    """Return the URL of the directory that holds it."""
    return url.partition("?")[0].rstrip("/").rpartition("/")[0]


def name_of(url: str) -> str:
    """Return the last part of its path, unescaped; "" for the top of a storage."""
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])


def leaves(name: str) -> bool:
    """Say whether a name that a storage gave would lead out of the directory it is said to be in."""
    return name in ("", ".", "..") or "/" in name or "\0" in name


def nearest(url: str, bases: Iterable[tuple[str, _T]]) -> tuple[str, _T] | None:
    """Find the longest of these bases under which a URL lies, the first of equals, and what stands with it;
    None when it lies under none.
    """
    found = [(base, whose) for base, whose in bases if below(url, base) is not None]
    return max(found, key=lambda one: len(_comparable(one[0])), default=None)


def below(url: str, base: str) -> str | None:
    """Return what a URL has after a base, from the slash on; "" for the base itself, None when it is not
    below it. How scheme, host and usual port are spelt makes no difference.
    """
    given, wanted = _comparable(url), _comparable(base)
    if given != wanted and not given.startswith(wanted + "/"):
        return None
    query = urlsplit(url).query
    return given[len(wanted) :] + (f"?{query}" if query else "")


def _comparable(url: str) -> str:
    """One spelling: one word for a scheme, host in small letters, no usual port, no slash at the end."""
    parts = urlsplit(url)
    scheme = SAME.get(parts.scheme.lower(), parts.scheme.lower())
    host = parts.netloc.lower()
    if scheme in _USUAL_PORTS:
        host = host.removesuffix(_USUAL_PORTS[scheme])
    path = parts.path.rstrip("/")
    if path and scheme in ("root", "roots"):
        path = "/" + path.lstrip("/")
    return f"{scheme}://{host}{path}"
