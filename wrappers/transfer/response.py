"""The body of an HTTP answer, by its framing: it is whole, or there is an error."""

from typing import Callable, Dict, Iterator, Optional

from wrappers.transfer.checksums import IN_USE
from wrappers.transfer.connection import PIECE, Connection
from wrappers.transfer.errors import Cut, Permanent, Transient, by_proxy

_DRAIN = 1 << 20  # bytes that are read to keep a connection; for more, a new one is cheaper


class Response:
    """Status, headers and body of an answer. Use as a context manager: it gives the connection back."""

    def __init__(
        self,
        url: str,
        status: int,
        headers: Dict[str, str],
        connection: Connection,
        release: Callable[[Connection, bool], None],
        bare: bool = False,
    ) -> None:
        """`bare` answers have no body: those to HEAD, and some by their status."""
        self.url = url  # that answered, after redirects
        self.status = status
        self.headers = headers  # by their names in small letters
        self._connection = connection
        self._release = release
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower() and not bare
        self._left: Optional[int] = 0 if bare or status in (204, 304) else None
        if self._left is None and not self._chunked:
            self._left = _length(headers.get("content-length"))
        self.length = self._left if not bare else _length(headers.get("content-length"))
        self._ended = self._left == 0
        self._open = True

    def __enter__(self) -> "Response":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None and not self._ended and (self._left or 0) <= _DRAIN and not self._unframed:
                for _piece in self.pieces():
                    pass
        except Transient:
            pass  # nobody wanted it
        finally:
            self.close()

    @property
    def _unframed(self) -> bool:
        return self._left is None and not self._chunked

    @property
    def by(self) -> str:
        """The proxy that it came through, as errors name it; "" without one."""
        return by_proxy(self.headers)

    @property
    def framed(self) -> bool:
        """Whether a body that was cut can be told from a whole one."""
        return not self._unframed

    def close(self) -> None:
        """Give the connection back, to be used again when the body was read to its end."""
        if self._open:
            self._open = False
            reuse = self._ended and "close" not in self.headers.get("connection", "").lower()
            self._release(self._connection, reuse)

    def read(self, limit: int = 1 << 24) -> bytes:
        """Read the whole body.

        Raises:
            Transient: it was cut. Permanent: it is longer than `limit`.
        """
        parts = []
        size = 0
        for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise Permanent(f"{self.url} answers with more than {limit} bytes")
            parts.append(bytes(piece))
        return b"".join(parts)

    def pieces(self) -> Iterator[memoryview]:
        """Yield the body in large pieces. Each stays as it is while the next `checksums.IN_USE` are taken.

        Raises:
            Transient: it was cut, or nothing came for too long.
        """
        buffers = [memoryview(bytearray(min(PIECE, self._left or PIECE)))]
        turn = 0
        while not self._ended:
            buffer = buffers[turn]
            filled = 0
            try:
                while filled < len(buffer) and not self._ended:
                    filled += self._into(buffer[filled:])
            except Transient:
                if filled:
                    yield buffer[:filled]  # what came is good: the next try goes on from there
                raise
            if filled:
                yield buffer[:filled]
            turn = (turn + 1) % (IN_USE + 1)
            if turn == len(buffers):
                buffers.append(memoryview(bytearray(len(buffer))))

    def _into(self, buffer: memoryview) -> int:
        if self._chunked and not self._left:
            self._next_chunk()
            return 0
        if self._left is not None:
            buffer = buffer[: self._left]
        received = self._connection.receive_into(buffer)
        if self._left is not None:
            if not received:
                raise Cut(f"{self.url}: the connection was closed {self._left} bytes before the end")
            self._left -= received
            self._ended = self._left == 0 and not self._chunked
            if self._chunked and not self._left:
                self._connection.line()
        else:
            self._ended = not received
        return received

    def _next_chunk(self) -> None:
        size = self._connection.line().split(b";")[0].strip()
        try:
            self._left = int(size, 16)
        except ValueError:
            raise Transient(f"{self.url}: a chunked body is damaged") from None
        if self._left < 0:
            raise Transient(f"{self.url}: a chunked body is damaged")
        if self._left == 0:
            while self._connection.line():  # trailers
                pass
            self._ended = True


def _length(text: Optional[str]) -> Optional[int]:
    text = (text or "").strip()
    return int(text) if text.isdecimal() and len(text) < 20 else None
