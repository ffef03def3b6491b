"""Files over what only gfal-copy speaks (srm, gsiftp), and root:// where there is no xrdcp."""

import os
from typing import Dict
from urllib.parse import quote

from wrappers.transfer import programs
from wrappers.transfer.errors import NotHere, Permanent
from wrappers.transfer.part import Part
from wrappers.transfer.root import environment, error_of
from wrappers.transfer.source import FileSource, Source
from wrappers.transfer.url_access import TransferTools, UrlAccess
from wrappers.transfer.webdav import compare

_PIECE = 1 << 20
# gfal2 asks storages for tokens of their own otherwise: 100 ms of computing for each file (measured).
_OPTIONS = ["-D", "HTTP PLUGIN:RETRIEVE_BEARER_TOKEN=false"]


def available() -> bool:
    """Say whether this machine has the programs."""
    return bool(programs.find("gfal-copy"))


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Bring a file here; gives its checksums.

    Raises:
        TransferError: it cannot be had, or is not what is expected.
        OSError: it cannot be written.
    """
    spool = part.path + ".gfal"
    try:
        _copy(tools, access, access.url, _local(spool))
        part.begin(access.url, "", 0)
        with open(spool, "rb") as copied:
            for piece in iter(lambda: copied.read(_PIECE), b""):
                part.write(memoryview(piece))
    finally:
        if os.path.exists(spool):
            os.unlink(spool)
    return part.verify(access.url)


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Store a file; gives the name of the checksum by which the storage was seen to hold it.

    Raises:
        TransferError: it is not there, or not what was sent.
        OSError: the source cannot be read.
    """
    if not isinstance(source, FileSource):
        raise Permanent(f"{access.url}: gfal-copy takes files only, not a directory on its way into a tar")
    _copy(tools, access, _local(source.path), access.url)
    said = _program(tools, access, "gfal-sum", *_OPTIONS, access.url, "ADLER32").talk()
    if said.code:
        raise error_of(said, f"gfal-sum of {access.url}")
    return compare(access.url, {"adler32": said.words.split()[-1].lower().rjust(8, "0")}, source)


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Remove a file; nothing there is fine.

    Raises:
        TransferError: it may still be there.
    """
    said = _program(tools, access, "gfal-rm", *_OPTIONS, access.url).talk()
    error = error_of(said, f"gfal-rm {access.url}") if said.code else None
    if error is not None and not isinstance(error, NotHere):
        raise error


def _copy(tools: TransferTools, access: UrlAccess, source: str, target: str) -> None:
    seconds = str(max(1, int(tools.budget.seconds_left())))
    arguments = ["gfal-copy", "-f", "-p", "-t", seconds, "-T", seconds, *_OPTIONS, source, target]
    said = _program(tools, access, *arguments).talk(tools.budget.seconds_left())
    if said.code:
        raise error_of(said, f"gfal-copy of {access.url}")


def _program(tools: TransferTools, access: UrlAccess, *arguments: str) -> programs.ProgramRun:
    return programs.ProgramRun(list(arguments), tools.budget, environment(access.access))


def _local(path: str) -> str:
    return "file://" + quote(os.path.abspath(path), errors="surrogateescape")
