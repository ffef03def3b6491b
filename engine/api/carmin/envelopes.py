"""Files and archives that come as base64 in a JSON document."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from engine.api.carmin import archives
from engine.api.carmin.files import TreeFiles
from engine.api.carmin.models import UploadData
from engine.app.access.tokens import Segments
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.documents import loads
from engine.app.portal.records import Records
from engine.app.portal.virtual import Kind, VirtualTarget, owner_of

ENVELOPE = "application/carmin+json"
LARGEST = 64 << 20
"""Bytes of a document that holds a file as base64; larger ones are sent as they are."""
_PIECE = 1 << 20


def must_be_inside(location: VirtualTarget) -> None:
    """Return if something may be written or removed there."""
    if location.kind is not Kind.INSIDE:
        raise CarminError(Code.DATA_NOT_ALLOWED, f"{location.text} cannot be written or removed")


def make(files: TreeFiles, records: Records, location: VirtualTarget) -> None:
    """Make a directory."""
    records.check_writable(location.stored)
    files.tree.make(location.stored)


async def whole(request: Request) -> bytes:
    """Read the body of a request that holds a document."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise CarminError(
                Code.GENERIC, f"a document has at most {LARGEST} bytes; send the file as it is", status=413
            )
    return bytes(body)


def envelope(body: bytes) -> UploadData:
    """Parse a document that holds a file."""
    try:
        return UploadData.model_validate(loads(body))
    except (ValueError, ValidationError):
        raise CarminError(
            Code.BAD_INPUT, 'a document {"base64Content", "type": "File" or "Archive", "md5"} is needed'
        ) from None


def unpack(files: TreeFiles, records: Records, location: VirtualTarget, data: UploadData) -> None:
    """Write what a document holds."""
    try:
        content = base64.b64decode(data.base64Content, validate=True)
    except (binascii.Error, ValueError):
        raise CarminError(Code.BAD_INPUT, "base64Content is no base64") from None
    if data.md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != data.md5.lower():
        raise CarminError(Code.BAD_INPUT, "the content is not what its md5 says")
    if data.type == "File":
        must_be_inside(location)
        records.check_writable(location.stored)
        _write(files, location, location.stored, [content], len(content))
        return
    if location.kind is Kind.ABOVE:
        raise CarminError(Code.DATA_NOT_ALLOWED, "nothing can be unpacked there")
    with archives.opened(content, len(location.path)) as archive:
        make(files, records, location)
        for entry in archive.entries:
            target = (*location.stored, *entry.path)
            records.check_writable(target)
            if entry.directory:
                files.tree.make(target)
                continue
            with archive.open(entry) as stream:
                pieces = iter(lambda: stream.read(_PIECE), b"")
                _write(files, location, target, pieces, entry.size)


def _write(files: TreeFiles, location: VirtualTarget, target: Segments, pieces: Any, size: int) -> None:
    incoming = files.tree.receive(("md5",))
    owner = owner_of(location.stored)
    try:
        with files.quotas.room(owner, limited=True) as ask:
            files.make_room(ask, size)
            incoming.write([b""])
            for piece in pieces:
                incoming.write([piece])
            replaced = incoming.publish(target)
            files.quotas.changed(owner, incoming.size - replaced)
    finally:
        incoming.close()
