"""Files of this machine as one of several storages: read for a replica, written whole or not at all."""

import os
from typing import IO, Dict

from wrappers.node.names import file_path
from wrappers.transfer.errors import NotHere, Permanent, Transient
from wrappers.transfer.part import Part
from wrappers.transfer.source import Source
from wrappers.transfer.url_access import TransferTools, UrlAccess

_PIECE = 1 << 20


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Copy a file; gives its checksums.

    Raises:
        TransferError: it cannot be read, or is not what is expected.
        OSError: the copy cannot be written.
    """
    url = access.url
    path = _path(url)
    if os.path.lexists(path) and not os.path.isfile(path):
        raise Permanent(f"{url} is not a file")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotHere(f"{url}: no such file") from None
    except OSError as error:
        raise Permanent(f"{url}: {error.strerror}") from None
    part.begin(url, "", 0)
    with open(descriptor, "rb", buffering=0) as file:
        for piece in iter(lambda: _read(file, url), b""):
            part.write(memoryview(piece))
    return part.verify(url)


def _read(file: IO[bytes], url: str) -> bytes:
    try:
        return file.read(_PIECE)
    except OSError as error:  # not the trouble of the disk that is written to
        raise Transient(f"{url}: {error.strerror}") from None


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Write a file whole or not at all, and have it on the disk; gives `size`: all that was compared.

    Raises:
        TransferError: it cannot be written there.
    """
    url = access.url
    path = _path(url)
    temporary = os.path.join(os.path.dirname(path), f".part-{os.getpid()}-{abs(hash(path)) % 10**8}")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb", buffering=0) as file:
            for piece in source.pieces():
                view = memoryview(piece)
                while view:
                    view = view[file.write(view) :]
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        if size != source.size:
            raise Transient(f"{url}: {size} bytes of {source.size} were written")
        os.rename(temporary, path)
    except OSError as error:
        raise Permanent(f"{url}: {error.strerror or error}") from None
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
    return "size"


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Remove a file; nothing there is fine."""
    try:
        os.unlink(_path(access.url))
    except OSError:
        pass  # it was never made


def _path(url: str) -> str:
    try:
        return file_path(url)
    except ValueError as error:
        raise Permanent(str(error)) from None
