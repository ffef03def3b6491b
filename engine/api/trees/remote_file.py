"""A file of a storage that is read piece by piece, in flat memory."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from typing import BinaryIO

from engine.api.trees.refusals import as_os_errors
from engine.errors import Unavailable
from engine.ports import Stat, Storage

_LARGEST = 8 << 20
"""Bytes of a block."""


class RemoteFile:
    """An `engine.app.portal.tree.OpenFile` at a storage.

    From its beginning on it is one stream. Pieces from its middle are asked for in blocks, each twice as long
    as the one before; so is what is left when a stream breaks, as when a client took too long over a piece.
    """

    def __init__(self, storage: Storage, url: str, found: Stat, *, tagged: bool = True) -> None:
        """`tagged`: whether size and date name this very content."""
        self._storage = storage
        self._url = url
        self._found = found
        self.size = found.size
        self.tag = f'"{found.size:x}-{round(found.modified * 1e9):x}"' if tagged else ""
        self._opened = ExitStack()
        self._stream: BinaryIO | None = None
        self._at = 0
        """Where the stream stands."""
        self._block, self._start = b"", 0
        self._next = 0

    def read(self, offset: int, length: int) -> bytes:
        """Read a piece of it.

        Raises:
            OSError: it is gone, or another file meanwhile.
            Unavailable: the storage does not answer.
        """
        with as_os_errors():
            return self._read(offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        if offset == 0 and self._stream is None:
            self._stream = self._opened.enter_context(self._storage.open(self._url))
        if self._stream is not None and self._at == offset:
            try:
                return self._of_stream(self._stream, length)
            except Unavailable:
                self._stream = None
                if offset == 0:
                    raise
        return self._of_block(offset, length)

    def close(self) -> None:
        """No more is read."""
        self._stream = None
        self._opened.close()

    def _of_stream(self, stream: BinaryIO, length: int) -> bytes:
        try:
            piece = stream.read(length)
        except Exception:
            with self._opened:  # which says it in the engine's words
                raise
        if len(piece) < length:
            raise Unavailable("the storage of the tree sent less than there is of a file")
        self._at += length
        return piece

    def _of_block(self, offset: int, length: int) -> bytes:
        end = self._start + len(self._block)
        if not (self._start <= offset and offset + length <= end):
            self._next = max(length, min(2 * self._next, _LARGEST))
            self._block = self._storage.read(self._url, offset, min(self._next, self.size - offset))
            self._start = offset
            now = self._storage.stat(self._url)
            if now is None or (now.size, now.modified) != (self._found.size, self._found.modified):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        piece = self._block[offset - self._start : offset - self._start + length]
        if len(piece) < length:
            raise Unavailable("the storage of the tree sent less than there is of a file")
        return piece
