"""The door to http(s) and dav(s): see `http` for the way here and `webdav` for the way there."""

from typing import Dict

from wrappers.transfer import http
from wrappers.transfer.part import Part
from wrappers.transfer.permit import Permit, Tools
from wrappers.transfer.source import Source


def fetch(tools: Tools, permit: Permit, part: Part) -> Dict[str, str]:
    """Bring a file here; gives its checksums."""
    return http.fetch(tools.client, permit.use, part, permit.access)


def store(tools: Tools, permit: Permit, source: Source) -> str:
    """Store a file; gives how that was verified."""
    return tools.uploader.store(permit.use, source, permit.access)


def remove(tools: Tools, permit: Permit) -> None:
    """Remove a file."""
    tools.uploader.remove(permit.use, permit.access)
