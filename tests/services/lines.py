"""Bad lines to a server: one that is cut, and one on which nobody ever answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_PIECE = 1 << 16


@dataclass
class Line:
    """A relay that is cut once so many bytes have gone through it, either way."""

    port: int
    left: int
    """Bytes until the cut; negative: no cut."""
    once: bool = False
    """Whether the next connection goes through again."""
    slow: float = 0.0
    """Seconds that each piece waits."""

    def cut_after(self, size: int) -> None:
        """Let so many bytes through and then nothing, ever; until it is mended."""
        self.left = size

    def cut_once_after(self, size: int) -> None:
        """Let so many bytes through, and end the connection on which the last of them came."""
        self.once = True
        self.left = size

    def mend(self) -> None:
        """Let everything through again."""
        self.left = -1
        self.once = False


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """A loopback port that leads to `port` by a line that can be cut."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line = Line(listening.getsockname()[1], -1)
        threading.Thread(target=_accept, args=(listening, port, line), daemon=True).start()
        try:
            yield line
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def nobody_answers() -> Iterator[int]:
    """A loopback port where connections are made and nothing comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


def _accept(listening: socket.socket, port: int, line: Line) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, port, line), daemon=True).start()


def _serve(client: socket.socket, port: int, line: Line) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_pump, args=(server, client, line), daemon=True)
        back.start()
        _pump(client, server, line)
        back.join()


def _pump(source: socket.socket, target: socket.socket, line: Line) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            time.sleep(line.slow)
            left = line.left
            if left >= 0:
                piece = piece[:left]
                line.left = left - len(piece)
            target.sendall(piece)
            if left == len(piece):  # also when it was mended since: nothing goes on after a hole
                if line.once:
                    line.mend()
                break
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
