"""File names: what a manifest says, what the file system is given, and what may not leave its directory.

Python 3.6 in the C locale encodes file names as ASCII. Manifests are Unicode, file systems hold UTF-8:
`native` makes the text that Python must be given for the right bytes to reach the disk, `portable` the
reverse. Where Python already speaks UTF-8 (3.7 and later, nearly everywhere) both do nothing.
"""

import os
import re
import sys
from urllib.parse import quote, unquote, urlsplit

from wrappers import wire
from wrappers.node.failure import AttemptFailed

_UTF8 = sys.getfilesystemencoding().lower().replace("-", "") == "utf8"
_ATTEMPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@:+-]{0,199}\Z")


def native(name: str) -> str:
    """Return the text under which Python finds the file `name`."""
    return name if _UTF8 else os.fsdecode(name.encode("utf-8", "surrogateescape"))


def portable(name: str) -> str:
    """Write a name that Python gave as manifests and reports do."""
    return name if _UTF8 else os.fsencode(name).decode("utf-8", "surrogateescape")


def file_path(url: str) -> str:
    """Return the path that a `file:` URL names on this machine.

    Raises:
        ValueError: it names another machine, or no absolute path.
    """
    parts = urlsplit(url)
    # A bare "?" or "#" is part of a file's name, not of a query: only the path was percent-encoded.
    tail = url[len("file:") :]
    if tail.startswith("//"):
        tail = tail[2 + len(parts.netloc) :]
    if parts.netloc not in ("", "localhost") or not tail.startswith("/"):
        raise ValueError(f"{url} names no file of this machine (file:///path is needed)")
    return native(unquote(tail, "utf-8", "surrogateescape"))


def to_url(path: str) -> str:
    """Return the `file:` URL of a path of this machine."""
    return "file://" + quote(portable(os.path.abspath(path)), errors="surrogateescape")


def safe_attempt(attempt: str) -> bool:
    """Say whether an attempt's id can name its report, logs and job directory."""
    return bool(_ATTEMPT.match(attempt))


def inside(directory: str, name: str, what: str) -> str:
    """Return the path of `name` in `directory`.

    Raises:
        Failure: (engine) the name is absolute, empty or climbs out of the directory.
    """
    parts = name.split("/")
    if not name or "\0" in name or name.startswith("/") or ".." in parts or not any(parts):
        raise AttemptFailed(wire.ENGINE, f"{what} {name!r} is not a path inside the job directory")
    return os.path.join(directory, native(name))
