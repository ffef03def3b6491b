"""Paths of this machine as `file:` URLs, and back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from engine.errors import BadRequest


def to_url(path: Path) -> str:
    """Return the URL of an absolute path; odd characters are escaped."""
    return "file://" + quote(str(path))


def to_path(url: str) -> Path:
    """Return the path that a `file:` URL names.

    Raises:
        BadRequest: it is not a file URL of this machine.
    """
    return Path(_text(url))


def names_of(url: str) -> tuple[str, ...]:
    """Return the names in the path that a `file:` URL names, as `to_path(url).parts` has them after the root.

    Raises:
        BadRequest: it is not a file URL of this machine.
    """
    return tuple(name for name in _text(url).split("/") if name not in ("", "."))


def _text(url: str) -> str:
    parts = urlsplit(url)
    path = unquote(parts.path, errors="surrogateescape")
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.startswith("/"):
        raise BadRequest(f"{url} is not a file of this machine", remedy="write file:///absolute/path")
    return path
