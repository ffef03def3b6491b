"""The embedded storage element: a WebDAV storage inside the engine, for jobs whose own storages fail, and for
set-ups that have none. Tokens say who may do what (`engine.app.access.tokens`); `engine.api.tree` keeps it
safe.

GET and HEAD with ranges and ETags, PUT (whole or not at all), MKCOL, MOVE, DELETE, PROPFIND. Directories are
made as needed. `Want-Digest` (RFC 3230) is answered with adler32, md5 or sha-256.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from engine.api import dav, digests, ranges
from engine.api.asgi import (
    Disconnected,
    HttpRefusal,
    Message,
    Receive,
    Reply,
    Send,
    StorageRequest,
    answer,
    begin,
)
from engine.api.connections import ATTEMPT
from engine.api.guard import TokenGuard
from engine.api.receiving import Incoming, receive_into
from engine.api.sending import FIRST, send_file
from engine.api.tree import Tree
from engine.app.access.paths import DEEPEST, BadPath, segments
from engine.app.access.tokens import DELETE, READ, WRITE, Segments, TokenScope
from engine.app.portal.quotas import QuotaExceeded, Quotas
from engine.app.portal.virtual import ROOT, owner_of
from engine.app.shares import Shares
from engine.errors import Unavailable
from wrappers.transfer import digest

_T = TypeVar("_T")
MOUNT = b"/se"
"""Below this the application answers."""
_THREADS = 16
_TRANSFERS = 64
"""Files of one attempt that move at a time."""
_ID = re.compile(r"[0-9A-Z]{26}")
_BELOW = 3
"""Names of the virtual tree above which nothing is an execution's: `vip`, whose kind, whose."""
_ALLOWED = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, MOVE, PROPFIND"
_KIND = {"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}
_STATUS = {
    errno.ENOENT: 404,
    errno.EEXIST: 412,
    errno.EISDIR: 409,
    errno.ENOTDIR: 409,
    errno.ENOTEMPTY: 409,
    errno.EINVAL: 409,
    errno.ENAMETOOLONG: 409,
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
}
log = logging.getLogger("engine.api.se")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is to be sent."""

    file: int
    found: os.stat_result
    piece: ranges.RangeReply
    digest: str
    first: bytes


class StorageElement:
    """The ASGI application."""

    def __init__(
        self,
        tree: Tree,
        guard: TokenGuard,
        quota: int | None,
        public_path: str = "",
        accounts: Quotas | None = None,
    ) -> None:
        """`accounts`: how much users and groups may keep in the virtual tree."""
        self._tree = tree
        self._guard = guard
        self._quotas = Quotas(lambda _: quota, lambda kept: tree.size(tuple(kept.split("/"))))
        self._accounts = accounts or Quotas(lambda _: None, lambda _: 0)
        self._digests = digests.Digests()
        self._public_path = public_path.rstrip("/")
        self._shares = Shares(_TRANSFERS)
        self._executor = ThreadPoolExecutor(_THREADS, "storage")
        self._verbs: dict[str, Callable[[StorageRequest], Awaitable[Reply]]] = {
            "OPTIONS": self._options,
            "PUT": self._put,
            "DELETE": self._delete,
            "MKCOL": self._mkcol,
            "MOVE": self._move,
            "PROPFIND": self._propfind,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            request = self._request(scope, headers, receive)
            if request.method in ("GET", "HEAD"):
                await self._get(request, send)
            elif verb := self._verbs.get(request.method):
                await answer(send, await verb(request))
            else:
                raise HttpRefusal(405, "no such method here", Allow=_ALLOWED)
        except Disconnected:
            return
        except (HttpRefusal, QuotaExceeded, Unavailable, OSError) as error:
            refusal = _refusal(error, scope["method"])
            text = {"Content-Type": "text/plain; charset=utf-8"}
            reply = Reply(refusal.status, {**text, **refusal.headers}, f"{refusal.words}\n".encode())
            await answer(send, reply)

    def close(self) -> None:
        """Wait for what is being written, and end the threads."""
        self._executor.shutdown()

    # --- who may do what --------------------------------------------------------------------------

    def _request(self, scope: Message, headers: dict[str, str], receive: Receive) -> StorageRequest:
        raw: bytes = scope["raw_path"]
        try:
            path = segments(raw.removeprefix(MOUNT))
        except BadPath as error:
            raise HttpRefusal(400, str(error)) from None
        if not raw.isascii():
            raise HttpRefusal(400, "a path is percent-encoded")
        url_path = self._public_path + raw.decode("ascii")
        return StorageRequest(
            scope["method"], path, url_path, headers, receive, scope.setdefault("state", {})
        )

    async def _scope(self, request: StorageRequest, verb: str, path: Segments) -> TokenScope:
        """Check what the request may do, this included.

        Raises:
            Refusal: 401 without a good token, 403 when it does not go so far.
        """
        leave = self._guard.scope(request.header("authorization"))
        if leave is None or (leave.attempt and not await self._run(self._guard.alive, leave.attempt)):
            raise HttpRefusal(401, "a token of this engine is needed", WWW_Authenticate="Bearer")
        if not leave.allows(verb, path):
            raise HttpRefusal(403, f"this token gives no leave to {verb} here")
        request.state[ATTEMPT] = leave.attempt or "engine"
        return leave

    async def _run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Call something that blocks, in a thread; come back only when it is done, even if cancelled: what
        it works on is then closed.
        """
        task = asyncio.get_running_loop().run_in_executor(self._executor, partial(function, *arguments))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    # --- verbs ------------------------------------------------------------------------------------

    async def _options(self, request: StorageRequest) -> Reply:
        return Reply(200, {"Allow": _ALLOWED, "DAV": "1"})

    async def _put(self, request: StorageRequest) -> Reply:
        leave = await self._scope(request, WRITE, request.path)
        if "content-range" in request.headers:
            raise HttpRefusal(400, "a file is put as a whole: Content-Range is not supported")
        if not request.path or request.url_path.endswith("/"):
            raise HttpRefusal(409, "a file has a name; MKCOL makes directories")
        announced = request.header("content-length")
        said = digest.parse_digests({"digest": request.header("digest")})
        asked = digests.requested_algorithm(request.header("want-digest"))
        algorithms = {"adler32", *said, *([asked] if asked else [])}
        incoming = Incoming(self._tree, self._digests, sorted(algorithms))
        try:
            limited = bool(leave.attempt)
            with (
                self._share(leave),
                self._quotas.room(_kept_for(request.path), limited=limited) as ask_execution,
                self._accounts.room(
                    owner_of(request.path), limited=limited and request.path[0] == ROOT
                ) as ask_owner,
            ):

                def ask(size: int) -> None:
                    ask_execution(size)
                    ask_owner(size)

                if announced:
                    await self._run(self._make_room, ask, int(announced))
                beside = None if announced else partial(self._run, ask)
                await receive_into(incoming, request.receive, self._executor, beside)
                results = incoming.results()
                if wrong := sorted(name for name, value in said.items() if results[name] != value):
                    raise HttpRefusal(422, f"the body is not what its {wrong[0]} says; nothing was kept")
                size, replaced = incoming.size, await self._run(incoming.publish, request.path)
                self._changed(request.path, size - replaced)
        finally:
            incoming.close()
        algorithm = asked or "adler32"
        return Reply(
            204 if replaced else 201, {"Digest": digests.header_value(algorithm, results[algorithm])}
        )

    @contextmanager
    def _share(self, leave: TokenScope) -> Iterator[None]:
        """One of the transfers that an attempt may have at a time; the engine itself has any number."""
        if not leave.attempt:
            yield
            return
        if not self._shares.take(leave.attempt):
            raise HttpRefusal(429, "too many transfers at a time", Retry_After="5")
        try:
            yield
        finally:
            self._shares.give_back(leave.attempt)

    def _make_room(self, ask: Callable[[int], None], size: int) -> None:
        ask(size)
        if size > self._tree.free():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def _get(self, request: StorageRequest, send: Send) -> None:
        leave = await self._scope(request, READ, request.path)
        with self._share(leave):
            await self._sent(request, send)

    async def _sent(self, request: StorageRequest, send: Send) -> None:
        opened = await self._run(self._open, request)
        try:
            piece, found = opened.piece, opened.found
            headers = {
                **_KIND,
                **piece.headers(found.st_size, ranges.etag(found)),
                "Last-Modified": formatdate(found.st_mtime, usegmt=True),
                **({"Digest": opened.digest} if opened.digest else {}),
            }
            if not piece.has_content:
                return await answer(send, Reply(piece.status, headers))
            await begin(send, piece.status, headers)
            if request.method == "HEAD":
                return await send({"type": "http.response.body", "body": b""})

            def read(offset: int, length: int) -> bytes:
                return os.pread(opened.file, length, offset)

            await send_file(send, read, piece.start, piece.stop, opened.first, self._executor)
        finally:
            os.close(opened.file)

    def _open(self, request: StorageRequest) -> _Opened:
        file = self._tree.open(request.path)
        try:
            found = os.fstat(file)
            piece = ranges.choose(request.headers, found.st_size, ranges.etag(found))
            asked = digests.requested_algorithm(request.header("want-digest"))
            digest = digests.header_value(asked, self._digests.of(file, asked)) if asked else ""
            first = b""
            if request.method == "GET":
                first = os.pread(file, min(FIRST, piece.stop - piece.start), piece.start)
            return _Opened(file, found, piece, digest, first)
        except BaseException:
            os.close(file)
            raise

    async def _delete(self, request: StorageRequest) -> Reply:
        await self._scope(request, DELETE, request.path)
        size = await self._run(self._tree.remove, request.path)
        self._changed(request.path, -size)
        return Reply(204)

    def _changed(self, path: Segments, by: int) -> None:
        """So many bytes came, or went: of the execution's room, and of whose it is."""
        self._quotas.changed(_kept_for(path), by)
        if path[0] == ROOT:
            self._accounts.changed(owner_of(path), by)

    async def _mkcol(self, request: StorageRequest) -> Reply:
        await self._scope(request, WRITE, request.path)
        if not await self._run(self._tree.make, request.path):
            raise HttpRefusal(405, "it is there already", Allow=_ALLOWED)
        return Reply(201)

    async def _move(self, request: StorageRequest) -> Reply:
        await self._scope(request, DELETE, request.path)
        target = self._destination(request.header("destination"))
        await self._scope(request, WRITE, target)
        if len(target) > len(request.path):
            await self._run(self._must_not_be_too_deep, request.path, target)
        replace = request.header("overwrite").upper() != "F"
        await self._run(partial(self._tree.move, request.path, target, replace=replace))
        if _kept_for(request.path) != _kept_for(target) or replace:
            self._quotas.forget(_kept_for(request.path), _kept_for(target))
            self._accounts.forget(owner_of(request.path), owner_of(target))
        return Reply(201)

    def _must_not_be_too_deep(self, source: Segments, target: Segments) -> None:
        if len(target) + self._tree.levels(source) > DEEPEST:
            raise HttpRefusal(409, f"what lies below would have more than {DEEPEST} levels")

    def _destination(self, url: str) -> Segments:
        try:
            path = urlsplit(url).path
        except ValueError as error:
            raise HttpRefusal(400, f"Destination: {error}") from None
        for base in (f"{self._public_path}/se/", "/se/"):
            if path.startswith(base):
                try:
                    return segments(path.removeprefix(base).encode("latin-1"))
                except BadPath as error:
                    raise HttpRefusal(400, f"Destination: {error}") from None
        raise HttpRefusal(400, "a Destination in this storage is needed")

    async def _propfind(self, request: StorageRequest) -> Reply:
        await self._scope(request, READ, request.path)
        deep = request.header("depth") not in ("", "0")
        item = await self._run(self._tree.item, request.path)
        below = await self._run(self._tree.items, request.path) if deep and item.directory else []
        body = dav.multistatus(request.url_path, item, below)
        return Reply(207, {"Content-Type": "application/xml; charset=utf-8"}, body)


def _kept_for(path: Segments) -> str:
    """Find the directory of the execution whose room a file takes: at the top, or within the virtual tree."""
    names = enumerate(path) if path[0] == ROOT else ()
    end = next((at for at, name in names if at >= _BELOW and _ID.fullmatch(name)), 0)
    return "/".join(path[: end + 1])


def _refusal(error: HttpRefusal | QuotaExceeded | Unavailable | OSError, method: str) -> HttpRefusal:
    """Translate trouble with the disk for a client, without any path of this machine."""
    if isinstance(error, HttpRefusal):
        return error
    if isinstance(error, QuotaExceeded):
        return HttpRefusal(507, str(error))
    if isinstance(error, Unavailable):
        return HttpRefusal(503, "the engine cannot say now whether this is allowed", Retry_After="5")
    status = _STATUS.get(error.errno or 0, 500)
    if status == 409 and method in ("GET", "HEAD", "PROPFIND", "DELETE"):
        status = 404  # a directory where a file was meant, a file where a directory was
    words = os.strerror(error.errno or 0)
    if status == 500:
        log.error("%s fails: %s", method, words)
    return HttpRefusal(status, words)
