"""The handler of http(s) and dav(s): see `http` for the way here and `webdav` for the way there."""

from typing import Dict

from wrappers.transfer import http
from wrappers.transfer.part import Part
from wrappers.transfer.source import Source
from wrappers.transfer.url_access import TransferTools, UrlAccess


def fetch(tools: TransferTools, access: UrlAccess, part: Part) -> Dict[str, str]:
    """Bring a file here; gives its checksums."""
    return http.fetch(tools.client, access.use, part, access.access)


def store(tools: TransferTools, access: UrlAccess, source: Source) -> str:
    """Store a file; gives how that was verified."""
    return tools.uploader.store(access.use, source, access.access)


def remove(tools: TransferTools, access: UrlAccess) -> None:
    """Remove a file."""
    tools.uploader.remove(access.use, access.access)
