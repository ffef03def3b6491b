"""Which module moves the files of which URLs."""

from typing import Dict
from urllib.parse import urlsplit

from wrappers.transfer import file, gfal, girder, root, s3, web
from wrappers.transfer.client import Protocol
from wrappers.transfer.errors import Permanent
from wrappers.transfer.part import Part
from wrappers.transfer.permit import Permit, Tools
from wrappers.transfer.source import Source

_WEB = ("http", "https", "dav", "davs")
_ROOT = ("root", "roots", "xroot", "xroots")
_GFAL = ("srm", "gsiftp")
SCHEMES = ("file", *_WEB, *_ROOT, *_GFAL, "s3", "girder")
"""What a node can move, if it has the programs for it."""


class Door(Protocol):
    """A module for one family of URLs. Every call may raise `TransferError`, or `OSError` for files here."""

    def fetch(self, tools: Tools, permit: Permit, part: Part) -> Dict[str, str]:
        """Bring a file here, whole and as expected; gives its checksums."""

    def store(self, tools: Tools, permit: Permit, source: Source) -> str:
        """Store a file; gives how it was seen to be there: the name of a checksum, "read" or "size"."""

    def remove(self, tools: Tools, permit: Permit) -> None:
        """Remove a file; nothing there is fine."""


def door(url: str) -> Door:
    """The module for a URL.

    Raises:
        Permanent: there is none, or this machine has not the programs that it needs.
    """
    scheme = urlsplit(url).scheme
    if scheme in _WEB:
        return web
    if scheme == "file":
        return file
    if scheme == "s3":
        return s3
    if scheme == "girder":
        return girder
    if scheme in _ROOT and root.available():
        return root
    if scheme in _ROOT + _GFAL:
        if gfal.available():
            return gfal
        wanted = "xrdcp and xrdfs, or gfal-copy" if scheme in _ROOT else "gfal-copy"
        raise Permanent(f"{url}: this node has no {wanted}")
    raise Permanent(f"{url}: {scheme or 'no scheme'} is not one of {', '.join(SCHEMES)}")
