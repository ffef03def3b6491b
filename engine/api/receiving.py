"""A body on its way into a file: received, written and summed at the same time, in flat memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor

from engine.api.asgi import Disconnected, Receive
from engine.api.digests import Digests
from engine.api.tree import Tree
from engine.app.access.tokens import Segments
from engine.app.portal.tree import IncomingFile
from wrappers.transfer.checksums import Hasher

PIECE = 2 << 20
"""Bytes that are written at a time; at most two such pieces of a body are in memory."""


_ZEROS = bytes(PIECE)


class Incoming:
    """A file that is being received. Blocking: it is called from threads, one call at a time."""

    def __init__(self, tree: Tree, digests: Digests, algorithms: Sequence[str]) -> None:
        self._tree = tree
        self._digests = digests
        self._hasher = Hasher(algorithms)
        self._part, self._file = "", -1

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._hasher.size

    def write(self, pieces: Sequence[bytes]) -> None:
        """Take more of it."""
        if self._file < 0:
            self._part, self._file = self._tree.part()
        size = sum(map(len, pieces))
        hole = all(piece == _ZEROS[: len(piece)] for piece in pieces)
        left = 0 if hole else size - os.writev(self._file, pieces)
        if hole:  # nothing but zeros takes no room
            os.ftruncate(self._file, os.lseek(self._file, size, os.SEEK_CUR))
        if left:
            rest = memoryview(b"".join(pieces))[-left:]
            while rest:
                rest = rest[os.write(self._file, rest) :]
        for piece in pieces:
            self._hasher.update(piece)

    def results(self) -> dict[str, str]:
        """Return the checksums of the whole file."""
        return self._hasher.results()

    def publish(self, path: Segments) -> int:
        """Give the complete file its name; return the bytes of what it replaced."""
        self._digests.store(self._file, self.results())
        replaced = self._tree.publish(self._part, path)
        self._part = ""
        return replaced

    def close(self) -> None:
        """Remove what was not published."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._part:
            self._tree.drop(self._part)
            self._part = ""


async def receive_into(
    incoming: IncomingFile, receive: Receive, executor: Executor, ask: Callable[[int], Awaitable[None]] | None
) -> None:
    """Receive a whole body. `ask` is asked before each piece is written, when the size was not announced.

    Raises:
        Disconnected: the client went away before the end.
        QuotaExceeded: by `ask`.
        OSError: it cannot be written.
    """
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[None] | None = None
    pieces: list[bytes] = []
    held = 0
    try:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            more = message.get("more_body", False)
            if body := message.get("body", b""):
                pieces.append(body)
                held += len(body)
            if held >= PIECE or not more:
                if ask is not None:
                    await ask(held)
                if writing is not None:
                    await writing
                writing = loop.run_in_executor(executor, incoming.write, pieces)
                pieces, held = [], 0
        if writing is not None:
            await writing
            writing = None
    finally:
        if writing is not None and not writing.done():
            await asyncio.wait([writing])
