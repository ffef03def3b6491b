"""What WebDAV wants to be told of files and directories (RFC 4918): the few properties that clients use."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from xml.sax.saxutils import escape

from engine.api.ranges import etag
from engine.api.tree import TreeEntry
from engine.app.access.paths import encoded

_START = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
_END = "</D:multistatus>\n"


def multistatus(url_path: str, item: TreeEntry, below: Iterable[TreeEntry]) -> bytes:
    """Render the body of a 207: one resource, and what is directly in it."""
    base = url_path.rstrip("/")
    parts = [_START, _response(base, item)]
    parts += [_response(f"{base}/{encoded((each.name,))}", each) for each in below]
    return "".join([*parts, _END]).encode("ascii", "xmlcharrefreplace")


def _response(href: str, item: TreeEntry) -> str:
    kind = "<D:collection/>" if item.directory else ""
    size = "" if item.directory else f"<D:getcontentlength>{item.found.st_size}</D:getcontentlength>"
    tag = "" if item.directory else f"<D:getetag>{escape(etag(item.found))}</D:getetag>"
    return (
        f"<D:response><D:href>{escape(href)}{'/' if item.directory else ''}</D:href><D:propstat><D:prop>"
        f"<D:resourcetype>{kind}</D:resourcetype>{size}{tag}"
        f"<D:getlastmodified>{formatdate(item.found.st_mtime, usegmt=True)}</D:getlastmodified>"
        "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )
