"""Files of the virtual tree: received and sent as streams, in flat memory, packed and unpacked."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog
from fastapi import Request, Response

from engine.api import ranges
from engine.api.asgi import Disconnected, HttpRefusal, Message, Receive, Send
from engine.api.carmin.tar import TarBody
from engine.api.digests import requested_algorithm
from engine.api.rate_limited_log import RateLimitedLog
from engine.api.receiving import receive_into
from engine.api.sending import FIRST, send_file
from engine.app.portal.carmin import CarminError, Code
from engine.app.portal.quotas import QuotaExceeded, Quotas
from engine.app.portal.tree import FileTree, OpenFile
from engine.app.portal.virtual import VirtualTarget, owner_of
from engine.app.shares import Shares
from engine.errors import EngineError

_T = TypeVar("_T")
FILES, TARS = 64, 16
"""Uploads, downloads, and downloads of directories, of one account at a time."""
log = structlog.stdlib.get_logger("engine.api")
_WORDS = {
    errno.ENOENT: "there is no such file or directory",
    errno.EISDIR: "it is a directory",
    errno.ENOTDIR: "it is no directory, or a part of the path is none",
    errno.EEXIST: "there is something of that name already",
    errno.ENOTEMPTY: "the directory is not empty",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EINVAL: "this cannot be done",
}


@dataclass(frozen=True, slots=True)
class TreeFiles:
    """The files of the tree, with all that moving them needs."""

    tree: FileTree
    quotas: Quotas
    executor: ThreadPoolExecutor
    """For what is short."""
    transfers: ThreadPoolExecutor
    """For what takes as long as a file is large, or a storage slow: it holds up nothing else."""
    files: Shares = field(default_factory=lambda: Shares(FILES))
    uploads: Shares = field(default_factory=lambda: Shares(FILES))
    tars: Shares = field(default_factory=lambda: Shares(TARS))
    """Each is a thread."""
    seldom: RateLimitedLog = field(default_factory=RateLimitedLog)

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call something that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, partial(function, *arguments))

    async def transfer(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call something that may block for long."""
        return await asyncio.get_running_loop().run_in_executor(self.transfers, partial(function, *arguments))

    async def receive(self, request: Request, location: VirtualTarget) -> int:
        """Receive the body of a request as a file, whole or not at all; return its size. A checksum is
        computed on the way for whoever asks (`Want-Digest`), else when it is needed: it costs more than all
        else.
        """
        announced = request.headers.get("content-length", "")
        asked = requested_algorithm(request.headers.get("want-digest", ""))
        incoming = self.tree.receive([asked] if asked else [])
        owner = owner_of(location.stored)
        try:
            with self.quotas.room(owner, limited=True) as ask:
                if announced:
                    await self.transfer(self.make_room, ask, int(announced))
                beside = None if announced else partial(self.transfer, ask)
                await receive_into(incoming, request.receive, self.executor, beside)
                if incoming.size == 0:
                    await self.run(incoming.write, [b""])
                size, replaced = incoming.size, await self.transfer(incoming.publish, location.stored)
                self.quotas.changed(owner, size - replaced)
                return size
        finally:
            await self.run(incoming.close)

    def make_room(self, ask: Callable[[int], None], size: int) -> None:
        """Return if so many bytes may come.

        Raises:
            QuotaExceeded, OSError: they may not.
        """
        ask(size)
        if size > self.tree.free():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def content(self, request: Request, location: VirtualTarget) -> Response:
        """Send a file, or the part of it that is asked for; a directory as a tar. Block until it begins."""
        directory = self.tree.item(location.stored).directory
        shares, account = self.tars if directory else self.files, request.state.account.id
        if not shares.take(account):
            self.seldom.warn("more downloads at a time than one account may have")
            raise CarminError(Code.GENERIC, "too many downloads at a time", status=429, retry_after=5)
        try:
            body = TarBody(self.tree, location.stored) if directory else self._file(request, location)
        except BaseException:
            shares.give_back(account)
            raise
        return Shared(body, shares, account)

    def _file(self, request: Request, location: VirtualTarget) -> Response:
        file = self.tree.open(location.stored)
        try:
            piece = ranges.choose(dict(request.headers), file.size, file.tag)
            first = file.read(piece.start, min(FIRST, piece.stop - piece.start))
            return FileBody(file, piece, first, self.transfers)
        except BaseException:
            file.close()
            raise


class Shared(Response):
    """An answer that takes one of its account's shares, until it ends."""

    def __init__(self, body: Response, shares: Shares, account: str) -> None:
        super().__init__()
        self._body, self._shares, self._account = body, shares, account

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await self._body(scope, receive, send)
        finally:
            self._shares.give_back(self._account)


class FileBody(Response):
    """A file on its way; closes it at the end."""

    def __init__(self, file: OpenFile, piece: ranges.RangeReply, first: bytes, executor: Executor) -> None:
        headers = {
            **piece.headers(file.size, file.tag),
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        }
        super().__init__(status_code=piece.status, headers=headers, media_type="application/octet-stream")
        self._file, self._piece, self._first, self._executor = file, piece, first, executor

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send it."""
        piece = self._piece
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if not piece.has_content or scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
            else:
                await send_file(send, self._file.read, piece.start, piece.stop, self._first, self._executor)
        except Disconnected:
            return
        except (OSError, EngineError) as error:
            log.error("a file was cut", why=str(error))
        finally:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._file.close)


def refused(error: OSError | QuotaExceeded | HttpRefusal) -> CarminError:
    """Translate trouble with the disk for a client, without any path of this machine."""
    if isinstance(error, QuotaExceeded):
        return CarminError(Code.GENERIC, f"your quota is used up: {error}", status=413)
    if isinstance(error, HttpRefusal):
        return CarminError(Code.GENERIC, error.words)
    number = error.errno or 0
    if number in (errno.ENOSPC, errno.EDQUOT):
        return CarminError(Code.GENERIC, "the disk of the platform is full", status=413)
    if number not in _WORDS:
        log.error("the disk of the tree fails", why=os.strerror(number))
        return CarminError(Code.GENERIC, "the platform cannot read or write this now; try later", status=503)
    return CarminError(Code.GENERIC, _WORDS[number])
