"""A directory as a tar, made while it is sent: flat memory, and no symbolic link is followed."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import threading
from contextlib import closing

import structlog
from fastapi import Response

from engine.api.asgi import Message, Receive, Send
from engine.app.access.tokens import Segments
from engine.app.portal.tree import FileTree, OpenFile
from engine.errors import EngineError

log = structlog.stdlib.get_logger("engine.api")
_PIECE = 1 << 20
_STALL_S = 120.0


class TarBody(Response):
    """A tar without the directory's own name: whoever unpacks it chooses one (vip-client does)."""

    def __init__(self, tree: FileTree, path: Segments) -> None:
        super().__init__(media_type="application/x-tar", headers={"X-Content-Type-Options": "nosniff"})
        del self.headers["content-length"]
        self._tree, self._path = tree, path

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send it. When it cannot be finished the answer is cut, and seen to be."""
        reading, writing = os.pipe()
        whole = threading.Event()
        maker = threading.Thread(target=self._make, args=(writing, whole), name="tar", daemon=True)
        maker.start()
        loop = asyncio.get_running_loop()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while piece := await loop.run_in_executor(None, os.read, reading, _PIECE):
                async with asyncio.timeout(_STALL_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            return
        finally:
            os.close(reading)  # whoever still writes finds nobody there
            await loop.run_in_executor(None, maker.join)
        if whole.is_set():
            await send({"type": "http.response.body", "body": b""})

    def _make(self, writing: int, whole: threading.Event) -> None:
        try:
            with (
                open(writing, "wb", buffering=_PIECE) as pipe,
                tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                self._add_all(tar)
            whole.set()
        except BrokenPipeError:
            pass  # the client has gone
        except (OSError, EngineError) as error:
            why = os.strerror(error.errno or 0) if isinstance(error, OSError) else error.message
            log.error("tar", why=why)
        except Exception:
            log.exception("defect")

    def _add_all(self, tar: tarfile.TarFile) -> None:
        left: list[Segments] = [()]
        while left:  # not by recursion: there may be more levels than Python has
            below = left.pop()
            inside = []
            for item in self._tree.items((*self._path, *below)):
                inner = (*below, item.name)
                info = tarfile.TarInfo("/".join(inner))
                info.mtime = int(item.modified)
                if item.directory:
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    tar.addfile(info)
                    inside.append(inner)
                else:
                    self._add(tar, info, (*self._path, *inner))
            left += reversed(inside)

    def _add(self, tar: tarfile.TarFile, info: tarfile.TarInfo, path: Segments) -> None:
        try:
            file = self._tree.open(path)
        except FileNotFoundError:
            return  # it went meanwhile
        with closing(file):
            info.size, info.mode = file.size, 0o644
            tar.addfile(info, _Stream(file))


class _Stream(io.RawIOBase):
    """An open file, read from its beginning."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        piece = self._file.read(self._at, self._file.size if size < 0 else size)
        self._at += len(piece)
        return piece
