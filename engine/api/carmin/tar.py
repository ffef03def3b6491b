"""A directory as a tar, made while it is sent: flat memory, and no symbolic link is followed."""

from __future__ import annotations

import asyncio
import os
import tarfile
import threading
from contextlib import suppress

import structlog
from fastapi import Response

from engine.api.asgi import Message, Receive, Send
from engine.api.tree import Tree
from engine.app.access.tokens import Segments

log = structlog.stdlib.get_logger("engine.api")
_PIECE = 1 << 20
_STALL = 120.0


class TarBody(Response):
    """A tar without the directory's own name: whoever unpacks it chooses one (vip-client does)."""

    def __init__(self, tree: Tree, path: Segments) -> None:
        super().__init__(media_type="application/x-tar", headers={"X-Content-Type-Options": "nosniff"})
        del self.headers["content-length"]
        self._tree, self._path = tree, path

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send it. When it cannot be finished the answer is cut, and seen to be."""
        reading, writing = os.pipe()
        failed = threading.Event()
        maker = threading.Thread(target=self._make, args=(writing, failed), name="tar", daemon=True)
        maker.start()
        loop = asyncio.get_running_loop()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while piece := await loop.run_in_executor(None, os.read, reading, _PIECE):
                async with asyncio.timeout(_STALL):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            return
        finally:
            os.close(reading)  # whoever still writes finds nobody there
            await loop.run_in_executor(None, maker.join)
        if not failed.is_set():
            await send({"type": "http.response.body", "body": b""})

    def _make(self, writing: int, failed: threading.Event) -> None:
        try:
            with (
                open(writing, "wb", buffering=_PIECE) as pipe,
                tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                self._add(tar, self._path, "")
        except BrokenPipeError:
            failed.set()
        except OSError as error:
            failed.set()
            log.error("tar", why=os.strerror(error.errno or 0))

    def _add(self, tar: tarfile.TarFile, path: Segments, below: str) -> None:
        for item in self._tree.items(path):
            name = f"{below}{item.name}"
            info = tarfile.TarInfo(name)
            info.mtime = int(item.found.st_mtime)
            if item.directory:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                self._add(tar, (*path, item.name), f"{name}/")
                continue
            with suppress(FileNotFoundError), open(self._tree.open((*path, item.name)), "rb") as file:
                info.size, info.mode = os.fstat(file.fileno()).st_size, 0o644
                tar.addfile(info, file)
