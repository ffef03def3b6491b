"""Which module moves the files of which URLs, and who opens them.

docs/how-to/add-a-storage.md says what a further module is.
"""

from typing import Callable, Dict, NamedTuple
from urllib.parse import urlsplit

from wrappers.transfer import gfal, girder, lfn, local, root, s3, web
from wrappers.transfer.errors import Permanent
from wrappers.transfer.part import Part
from wrappers.transfer.source import Source
from wrappers.transfer.url_access import TransferTools, UrlAccess

_ROOT = ("root", "roots", "xroot", "xroots")
_GFAL = ("srm", "gsiftp")  # untried


class SchemeHandler(NamedTuple):
    """The functions of the module for one family of URLs. Each may raise `TransferError`, and `OSError` for
    files of this machine.
    """

    # a file, whole and as expected: its checksums
    fetch: Callable[[TransferTools, UrlAccess, Part], Dict[str, str]]
    # a file: how it was verified (`wire.DeliveredOutput.verified`)
    store: Callable[[TransferTools, UrlAccess, Source], str]
    # a file; nothing there is fine
    remove: Callable[[TransferTools, UrlAccess], None]


_WEB = SchemeHandler(web.fetch, web.store, web.remove)
_XROOTD = SchemeHandler(root.fetch, root.store, root.remove)
_GFAL_COPY = SchemeHandler(gfal.fetch, gfal.store, gfal.remove)
_HANDLERS = {
    "file": SchemeHandler(local.fetch, local.store, local.remove),
    "http": _WEB,
    "https": _WEB,
    "dav": _WEB,
    "davs": _WEB,
    "s3": SchemeHandler(s3.fetch, s3.store, s3.remove),
    "girder": SchemeHandler(girder.fetch, girder.store, girder.remove),
    "shanoir": _WEB,  # of the URL and token that the engine gives; results go there by the engine
    "lfn": SchemeHandler(lfn.fetch, lfn.store, lfn.remove),
}
SCHEMES = (*_HANDLERS, *_ROOT, *_GFAL)
"""What a node can move, if it has the programs for it."""
WITHOUT_GRANT = ("file", "lfn")
"""What no grant is asked for: this machine's files; and DIRAC's client shows its own proxy."""
BY_GRANT_ONLY = ("s3", "girder", "shanoir")
"""What only a grant of the engine opens; all others are tried with what the node has, too."""


def handler_of(access: UrlAccess) -> SchemeHandler:
    """Find what moves the file of a URL: by its scheme, else by that of the URL granted in its place.

    Raises:
        Permanent: there is nothing, or this machine has not the programs that it needs.
    """
    url = access.url
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES and access.use != url:
        scheme = urlsplit(access.use).scheme
    if scheme in _HANDLERS:
        return _HANDLERS[scheme]
    if scheme in _ROOT and root.available():
        return _XROOTD
    if scheme in _ROOT + _GFAL:
        if gfal.available():
            return _GFAL_COPY
        wanted = "xrdcp and xrdfs, or gfal-copy" if scheme in _ROOT else "gfal-copy"
        raise Permanent(f"{url}: this node has no {wanted}")
    raise Permanent(f"{url}: {scheme or 'no scheme'} is not one of {', '.join(SCHEMES)}")
