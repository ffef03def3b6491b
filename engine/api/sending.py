"""A file, or a part of one, on its way to a client: the next piece is read while one is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from engine.api.asgi import Disconnected, Send

PIECE = 2 << 20
"""Bytes that are read and sent at a time; at most two such pieces of a file are in memory."""
FIRST, TAKEN = 256 << 10, 16 << 20
"""Bytes of a piece, until so many were sent: more than systems keep for a client that takes nothing, which
then holds little of our memory.
"""

STALL_S = 240.0
"""Seconds in which a client must take a piece."""


Read = Callable[[int, int], bytes]
"""A piece of a file, by offset and length; fewer bytes at its end only."""


async def send_file(send: Send, read: Read, start: int, stop: int, first: bytes, executor: Executor) -> None:
    """Send `[start, stop)` of a file as the body of an answer that has begun. `first` is its beginning.

    Raises:
        Disconnected: the client takes nothing, or the file became shorter: the answer is cut, and seen to be.
        OSError: it cannot be read.
    """
    loop = asyncio.get_running_loop()
    piece, at = first, start
    reading: asyncio.Future[bytes] | None = None
    try:
        while True:
            at += len(piece)
            if not piece and at < stop:
                raise Disconnected
            if at < stop:
                size = FIRST if at - start < TAKEN else PIECE
                reading = loop.run_in_executor(executor, read, at, min(size, stop - at))
            async with asyncio.timeout(STALL_S):
                await send({"type": "http.response.body", "body": piece, "more_body": at < stop})
            if reading is None:
                return
            piece = await reading
            reading = None
    except TimeoutError:
        raise Disconnected from None
    finally:
        if reading is not None and not reading.done():
            await asyncio.wait([reading])
