"""Which module moves the files of which URLs."""

from typing import Callable, Dict, NamedTuple
from urllib.parse import urlsplit

from wrappers.transfer import gfal, girder, lfn, local, root, s3, web
from wrappers.transfer.errors import Permanent
from wrappers.transfer.part import Part
from wrappers.transfer.permit import Permit, Tools
from wrappers.transfer.source import Source

_ROOT = ("root", "roots", "xroot", "xroots")
_GFAL = ("srm", "gsiftp")


class Door(NamedTuple):
    """What the module for one family of URLs does. Each may raise `TransferError`, and `OSError` for files
    of this machine.
    """

    fetch: Callable[[Tools, Permit, Part], Dict[str, str]]  # a file, whole and as expected: its checksums
    store: Callable[[Tools, Permit, Source], str]  # a file: how it was verified (`wire.Product.verified`)
    remove: Callable[[Tools, Permit], None]  # a file; nothing there is fine


_WEB = Door(web.fetch, web.store, web.remove)
_XROOTD = Door(root.fetch, root.store, root.remove)
_GFAL_COPY = Door(gfal.fetch, gfal.store, gfal.remove)
_DOORS = {
    "file": Door(local.fetch, local.store, local.remove),
    "http": _WEB,
    "https": _WEB,
    "dav": _WEB,
    "davs": _WEB,
    "s3": Door(s3.fetch, s3.store, s3.remove),
    "girder": Door(girder.fetch, girder.store, girder.remove),
    "shanoir": _WEB,  # of the URL and token that the engine gives; results go there by the engine
    "lfn": Door(lfn.fetch, lfn.store, lfn.remove),
}
SCHEMES = (*_DOORS, *_ROOT, *_GFAL)
"""What a node can move, if it has the programs for it."""


def door(url: str) -> Door:
    """What moves the files of a URL.

    Raises:
        Permanent: there is nothing, or this machine has not the programs that it needs.
    """
    scheme = urlsplit(url).scheme
    if scheme in _DOORS:
        return _DOORS[scheme]
    if scheme in _ROOT and root.available():
        return _XROOTD
    if scheme in _ROOT + _GFAL:
        if gfal.available():
            return _GFAL_COPY
        wanted = "xrdcp and xrdfs, or gfal-copy" if scheme in _ROOT else "gfal-copy"
        raise Permanent(f"{url}: this node has no {wanted}")
    raise Permanent(f"{url}: {scheme or 'no scheme'} is not one of {', '.join(SCHEMES)}")
