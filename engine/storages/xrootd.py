"""The library of XRootD: errors are values there, and it is told first not to wait for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, TypeAlias

from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from engine.extras import remedy_for
from engine.ports import Stat
from engine.storages.failures import ANOTHER_CREDENTIAL
from wrappers.transfer.redact import redact

File: TypeAlias = Any
FileSystem: TypeAlias = Any
"""Of the library, which says nothing of its types."""
READ, WRITE = 0x10, 0x02 | 0x100 | 0x8000  # of an open; to write: replace, make directories
MAKE_PATH, LIST_WITH_STAT, CHECKSUM = 1, 1, 3  # of mkdir, dirlist, query
NOT_FOUND, UNSUPPORTED, EXISTS = 3011, 3013, 3018
"""Numbers of the protocol."""
_NOT_EMPTY, _NO_SPACE, _NOT_AUTHORIZED, _QUOTA = 3005, 3009, 3010, 3021
_IS_DIRECTORY = 2  # in the flags of a stat
_AUTHENTICATION_FAILED = 204
"""The library's own code (errAuthFailed)."""


def library(stall: float) -> Any:
    """Load the library, with its timeouts set to so many seconds: by itself it waits for eleven minutes. It
    keeps that for the whole process.

    Raises:
        BadRequest: it is not installed.
    """
    try:
        client = import_module("XRootD.client")
    except ImportError:
        raise BadRequest("root: the package xrootd is missing", remedy=remedy_for("XRootD")) from None
    seconds = max(1, int(stall))
    for name in ("ConnectionWindow", "RequestTimeout", "StreamTimeout"):
        client.EnvPutInt(name, min(seconds, 30) if name == "ConnectionWindow" else seconds)
    client.EnvPutInt("ConnectionRetry", 1)
    client.EnvPutInt("StreamErrorWindow", 0)  # a server that was away may be back
    client.EnvPutInt("TimeoutResolution", 1 if seconds < 15 else 15)
    return client


def stat(found: Any) -> Stat:
    """Convert a stat of the library."""
    directory = bool(found.flags & _IS_DIRECTORY)
    return Stat(0 if directory else found.size, float(found.modtime), directory)


def pieces(file: File, url: str, size: int) -> Iterator[memoryview]:
    """Yield what a file holds, in pieces of this size."""
    offset = 0
    while True:
        status, data = file.read(offset, size)
        check(status, url)
        if not data:
            return
        offset += len(data)
        yield memoryview(data)


def twice(ask: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Ask, and once more when a connection from before turns out to be dead."""
    status, found = ask()
    return ask() if status.fatal else (status, found)


def check(status: Any, url: str) -> None:
    """Raise what a status means, unless all is well."""
    if status.ok:
        return
    words = status.message.strip().rpartition("] ")[2] or status.message
    message = redact(f"{url}: {' '.join(words.split())}")
    if status.errno == NOT_FOUND:
        raise NotFound(message)
    if status.errno == _NOT_AUTHORIZED or status.code == _AUTHENTICATION_FAILED:
        raise CredentialExpired(message, remedy=ANOTHER_CREDENTIAL)
    if status.errno in (_NO_SPACE, _QUOTA):
        raise Unavailable(message, remedy="the storage is full; free some space there")
    if status.errno and status.errno != _NOT_EMPTY and not status.fatal:
        raise BadRequest(message)
    raise Unavailable(message)
