"""A relay that delays every byte, as distance would: round trips cost.

Plain, its bandwidth has no bound from the first byte on. With `windows` a new connection may have 10 segments
on their way, and one more for each that was acknowledged, as TCP begins (RFC 6928; RFC 5681, 3.1). It goes on
so: nothing is lost, and the receiver takes everything.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 1 << 18
_INITIAL_WINDOW = 10 * 1460
"""Bytes."""


@contextmanager
def far_away(port: int, round_trip: float = 0.03, *, windows: bool = False) -> Iterator[int]:
    """A loopback port that leads to `port`, so many seconds away and back; connecting costs one trip."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    relay = _Relay(port, round_trip / 2, windows)
    server = asyncio.run_coroutine_threadsafe(
        asyncio.start_server(relay.serve, "127.0.0.1", 0), loop
    ).result()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Relay:
    def __init__(self, port: int, delay: float, windows: bool) -> None:
        self._port, self._delay, self._windows = port, delay, windows

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * self._delay)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except OSError:
            pass  # one end has gone: so does the other
        finally:
            writer.close()
            far_writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read at once, write later: what is on its way does not hold up what follows."""
        clock = asyncio.get_running_loop()
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        window = _Window(self._delay * 2) if self._windows else None

        async def arrive() -> None:
            while True:
                due, piece = await on_its_way.get()
                await asyncio.sleep(due - clock.time())
                if not piece:
                    writer.write_eof()
                    return
                writer.write(piece)
                await writer.drain()

        arriving = asyncio.ensure_future(arrive())
        try:
            while piece := await reader.read(_PIECE):
                while piece:
                    size = await window.room(len(piece)) if window else len(piece)
                    await on_its_way.put((clock.time() + self._delay, piece[:size]))
                    piece = piece[size:]
            await on_its_way.put((clock.time() + self._delay, b""))
            await arriving
        finally:
            arriving.cancel()


class _Window:
    """How much one direction of a connection may have on its way."""

    def __init__(self, round_trip: float) -> None:
        self._round_trip = round_trip
        self._free = _INITIAL_WINDOW
        self._acknowledged = asyncio.Event()

    async def room(self, size: int) -> int:
        """Bytes that may be sent now, at most `size`; waits until there are any."""
        while not self._free:
            self._acknowledged.clear()
            await self._acknowledged.wait()
        sent = min(size, self._free)
        self._free -= sent
        asyncio.get_running_loop().call_later(self._round_trip, self._acknowledge, sent)
        return sent

    def _acknowledge(self, size: int) -> None:
        self._free += 2 * size  # what was sent is gone, and the window has grown by as much
        self._acknowledged.set()
