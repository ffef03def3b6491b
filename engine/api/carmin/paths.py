"""CARMIN-Data: `/path/...`, the virtual tree."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.convertors import PathConvertor, register_url_convertor

from engine.api.asgi import Disconnected
from engine.api.carmin.caller import Caller
from engine.api.carmin.envelopes import ENVELOPE, envelope, make, must_be_inside, unpack, whole
from engine.api.carmin.files import TreeFiles, refused
from engine.api.carmin.models import Existence, PathMd5, PathProperties, UploadData
from engine.app.portal import names, virtual
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.quotas import QuotaExceeded
from engine.app.portal.records import Records
from engine.app.portal.trash import discard
from engine.app.portal.tree import FileItem
from engine.app.portal.virtual import Kind, VirtualTarget, owner_of
from engine.domain.account import Account

_T = TypeVar("_T")
PREFIX = "/rest/path"

Action = Literal["exists", "properties", "list", "content", "md5"]
_ACTIONS = {"exists", "properties", "list", "content", "md5"}
_NO_FILE = ("", "application/json")
"""Types of nothing: none, and what some clients send with every request."""


class _Anything(PathConvertor):
    """The rest of a path, newlines too."""

    regex = "(?s:.*)"


register_url_convertor("anything", _Anything())
# read from what came over the wire, see `_raw`, and so declared here
_PATH = {
    "parameters": [
        {
            "name": "path",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "A path of the virtual tree, like `vip/Home/file.txt`.",
        }
    ]
}
_BODY = {
    "requestBody": {
        "description": "Nothing makes a directory; anything else is the content of a file.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            ENVELOPE: {"schema": UploadData.model_json_schema()},
        },
    }
}


def path_routes(files: TreeFiles, records: Records) -> APIRouter:
    """`/path/...`."""
    router = APIRouter(tags=["data"])
    asked: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "What was asked for: a JSON document, or the content as bytes.",
            "content": {
                "application/json": {"schema": {}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "application/x-tar": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        206: {"description": "The part of a file that was asked for."},
        304: {"description": "The client has it."},
    }

    @router.get("/path", responses=asked, response_class=Response, include_in_schema=False)
    @router.get("/path/{path:anything}", responses=asked, response_class=Response, openapi_extra=_PATH)
    async def get(request: Request, caller: Caller, action: Action = "properties") -> Response:
        """Read a path: its properties, what is in it, its content (a tar of a directory), or its MD5."""
        location = await _located(files, caller, _raw(request))
        run = files.transfer if action in ("content", "md5") else files.run
        answer: Response = await _os_errors(run(_asked, files, request, caller, location, action))
        return answer

    @router.put(
        "/path/{path:anything}",
        status_code=201,
        responses={201: {"model": PathProperties}},
        openapi_extra={**_PATH, **_BODY},
    )
    async def put(request: Request, caller: Caller) -> Response:
        """Make a directory (no body), or a file from the body: raw, or as `application/carmin+json`."""
        raw = _raw(request)
        location = virtual.locate(caller, raw)
        if not names.is_text(location.text):
            raise CarminError(Code.GENERIC, "a name is UTF-8, percent-encoded")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        directory = kind != ENVELOPE and (raw.endswith(b"/") or _is_empty(request, kind))
        if not directory:
            await _os_errors(files.run(_check_parent, files, records, location))
        if kind == ENVELOPE:
            data = await files.run(envelope, await whole(request))
            await _os_errors(files.transfer(unpack, files, records, location, data))
        elif directory:
            if location.kind is Kind.ABOVE:
                raise CarminError(Code.DATA_NOT_ALLOWED, "nothing can be made there")
            await _os_errors(files.run(make, files, records, location))
        else:
            must_be_inside(location)
            await _os_errors(files.run(records.check_writable, location.stored))
            if not files.uploads.take(caller.id):
                raise CarminError(Code.GENERIC, "too many uploads at a time", status=429, retry_after=5)
            try:
                await files.receive(request, location)
            except (OSError, QuotaExceeded) as error:
                raise refused(error) from None
            except Disconnected:
                return Response(status_code=400)
            finally:
                files.uploads.give_back(caller.id)
        properties = await _os_errors(files.run(_properties, files, caller, location))
        return JSONResponse(
            properties.model_dump(), status_code=201, headers={"Location": quote(f"{PREFIX}{location.text}")}
        )

    @router.delete("/path/{path:anything}", status_code=204, openapi_extra=_PATH)
    async def delete(request: Request, caller: Caller) -> Response:
        """Put it into the trash; what lies there is removed for good."""
        location = await _located(files, caller, _raw(request))
        must_be_inside(location)
        await _os_errors(files.transfer(_delete, files, records, caller, location))
        return Response(status_code=204)

    return router


async def _os_errors(work: Awaitable[_T]) -> _T:
    try:
        return await work
    except (OSError, QuotaExceeded) as error:
        raise refused(error) from None


async def _located(files: TreeFiles, account: Account, raw: bytes) -> VirtualTarget:
    """Return where a path leads that may be written as it was told."""
    location = virtual.locate(account, raw)
    if any(names.meant(name) for name in location.path):
        location = await files.run(_found, files, location)
    return location


def _found(files: TreeFiles, location: VirtualTarget) -> VirtualTarget:
    """Find a path: a name that is there as it is written goes before one that is only shown like it."""
    start = len(location.path) - len(location.stored)
    path, stored = location.path, location.stored
    for at, name in enumerate(stored):
        odd = names.meant(name)
        if odd is None:
            continue
        try:
            files.tree.item(stored[: at + 1])
        except (FileNotFoundError, NotADirectoryError):
            stored = (*stored[:at], odd, *stored[at + 1 :])
            path = (*path[: start + at], odd, *path[start + at + 1 :])
    return VirtualTarget(path, location.kind, stored)


def _raw(request: Request) -> bytes:
    """Return the path as it came over the wire: it is decoded once, by whoever takes it apart."""
    raw: bytes = request.scope["raw_path"]
    return raw[len(PREFIX) :]


def _is_empty(request: Request, kind: str) -> bool:
    """Say whether there is no body, nor the announcement of an empty file: the type of its content."""
    announced = request.headers.get("content-length", "0")
    chunked = "transfer-encoding" in request.headers
    return announced == "0" and not chunked and kind in _NO_FILE


# --- asking ---------------------------------------------------------------------------------------


def _asked(
    files: TreeFiles, request: Request, account: Account, location: VirtualTarget, action: Action
) -> Response:
    if action == "exists":
        return JSONResponse(Existence(exists=_item(files, location) is not None).model_dump())
    if action == "properties":
        return JSONResponse(_properties(files, account, location).model_dump())
    if action == "list":
        return JSONResponse([one.model_dump() for one in _list(files, account, location)])
    if location.kind is Kind.ABOVE:
        raise CarminError(Code.GENERIC, "it is a directory of the platform")
    if action == "md5":
        return JSONResponse(PathMd5(md5=files.tree.md5(location.stored)).model_dump())
    return files.content(request, location)


def _item(files: TreeFiles, location: VirtualTarget) -> FileItem | None:
    """Describe a path; roots are there before anything was put into them."""
    if location.kind is Kind.ABOVE:
        return files.tree.item(())
    try:
        return files.tree.item(location.stored)
    except (FileNotFoundError, NotADirectoryError):
        if location.kind is not Kind.ROOT:
            return None
    files.tree.make(location.stored)
    return files.tree.item(location.stored)


def _properties(files: TreeFiles, account: Account, location: VirtualTarget) -> PathProperties:
    item = _item(files, location)
    if item is None:
        return _entry(location.text, exists=False)
    if item.directory:
        entries = len(_names(files, account, location))
        return _entry(location.text, item.modified, entries, directory=True)
    return _entry(location.text, item.modified, item.size)


def _names(files: TreeFiles, account: Account, location: VirtualTarget) -> list[str]:
    if location.kind is Kind.ABOVE:
        return virtual.roots(account) if location.path else [virtual.ROOT]
    return [one.name for one in files.tree.items(location.stored)]


def _list(files: TreeFiles, account: Account, location: VirtualTarget) -> list[PathProperties]:
    base = location.text.rstrip("/")
    if location.kind is Kind.ABOVE:
        return [_entry(f"{base}/{name}", directory=True) for name in _names(files, account, location)]
    item = _item(files, location)
    if item is None or not item.directory:
        raise CarminError(Code.GENERIC, f"{location.text} is no directory")
    return [
        _entry(f"{base}/{one.name}", one.modified, one.size, directory=one.directory)
        for one in files.tree.items(location.stored)
    ]


def _entry(
    path: str, modified: float = 0.0, size: int = 0, *, directory: bool = False, exists: bool = True
) -> PathProperties:
    kind = "text/directory" if directory else mimetypes.guess_type(path)[0] or "application/octet-stream"
    text = names.printable(path)
    return PathProperties(
        path=text,
        platformPath=text,
        lastModificationDate=int(modified),
        isDirectory=directory,
        exists=exists,
        size=size,
        executionId=None,
        mimeType=kind if exists else None,
    )


# --- changing -------------------------------------------------------------------------------------


def _check_parent(files: TreeFiles, records: Records, location: VirtualTarget) -> None:
    """See that there is a directory in which a file can be put.

    VIP makes none on the way of a file, and its client counts on it: a misspelt path is told.
    """
    if location.kind is not Kind.INSIDE:
        return
    records.check_writable(location.stored)
    parent = VirtualTarget(
        location.path[:-1],
        Kind.ROOT if len(location.path) == 3 else Kind.INSIDE,  # /vip, the root, the name
        location.stored[:-1],
    )
    item = _item(files, parent)
    if item is None or not item.directory:
        what = "is no directory" if item else "does not exist"
        raise CarminError(Code.GENERIC, f"{parent.text} {what}", remedy="make the directory first")


def _delete(files: TreeFiles, records: Records, account: Account, location: VirtualTarget) -> None:
    records.check_writable(location.stored)
    discard(files.tree, location.stored, account.id)
    files.quotas.forget(owner_of(location.stored), f"users/{account.id}")
