"""Paths as clients write them, made safe: decoded once, part by part, before anything looks at the disk."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlsplit

from engine.app.access.tokens import Segments

LONGEST = 255
"""Bytes of one part: what file systems take."""
DEEPEST = 128
"""Parts of a path."""


class BadPath(ValueError):
    """A path that names nothing, whatever lies on the disk."""


def segments(raw: bytes) -> Segments:
    """Split a percent-encoded path into its parts. Repeated slashes are one.

    Raises:
        BadPath: a part is `.` or `..`, or holds an encoded slash or NUL or is too long, or they are many.
    """
    parts = [unquote_to_bytes(part) for part in raw.split(b"/") if part]
    if len(parts) > DEEPEST:
        raise BadPath(f"a path has at most {DEEPEST} levels")
    for part in parts:
        if part in (b".", b".."):
            raise BadPath("a path has no . or .. in it")
        if b"/" in part or b"\0" in part:
            raise BadPath("a name has no slash or NUL in it")
        if len(part) > LONGEST:
            raise BadPath(f"a name has at most {LONGEST} bytes")
    return tuple(part.decode("utf-8", "surrogateescape") for part in parts)


def encoded(path: Segments) -> str:
    """Encode the parts as text for a URL, without a slash at its beginning."""
    return "/".join(quote(part.encode("utf-8", "surrogateescape"), safe="") for part in path)


def below(url: str, base: str) -> Segments | None:
    """Return the parts of a URL that follow those of `base`; None when it is not below it.

    Raises:
        BadPath: it is no URL, or as for `segments`.
    """
    try:
        wanted, root = urlsplit(url), urlsplit(base)
    except ValueError as error:
        raise BadPath(str(error)) from None
    if (wanted.scheme.lower(), wanted.netloc.lower()) != (root.scheme.lower(), root.netloc.lower()):
        return None
    start = segments(root.path.encode("utf-8", "surrogateescape"))
    path = segments(wanted.path.encode("utf-8", "surrogateescape"))
    return path[len(start) :] if path[: len(start)] == start else None
