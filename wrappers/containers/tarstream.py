"""Layers as streams of tar bytes: each file is decompressed once, hashed on the way, ahead of its use.

Decompression and hashing release the interpreter's lock, so one thread does them for all layers in order
while the caller writes files: on two cores a layer is unpacked while the next is being decompressed.
"""

import hashlib
import queue
import tarfile
import threading
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Union

from wrappers import causes
from wrappers.containers.decompress import ZLIB, AfterTheEnd, Gunzip, decompressed
from wrappers.containers.errors import ContainerError, CorruptImage

_AHEAD = 16  # decompressed chunks that may wait

# A chunk, or why there will be no more. An empty chunk begins a layer, None ends it, a second None ends all.
_Item = Union[bytes, BaseException, None]


class Layer(NamedTuple):
    """A compressed layer on disk."""

    path: Path
    diff_id: str  # sha256:... of its uncompressed tar stream; "" when the file was verified already


class TarStream:
    """The uncompressed bytes of one layer as a file that is read forwards."""

    def __init__(self, chunks: "queue.Queue[_Item]") -> None:
        self._chunks = chunks
        self._chunk = memoryview(b"")
        self._position = 0
        self._ended = False
        self._at_end = True

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, position: int) -> int:
        """Skip forwards."""
        if position < self._position:
            raise CorruptImage("a layer refers to an earlier part of itself")
        while self._position < position and self._available():
            self._take(position - self._position)
        return self._position

    def is_empty(self) -> bool:
        """Say whether nothing is left to read."""
        return not self._available()

    def read(self, size: int) -> bytes:
        """Read the next `size` bytes; fewer only at the end."""
        found = self._read(size)
        self._at_end = not found.strip(b"\0")
        return found

    def _read(self, size: int) -> bytes:
        parts: List[memoryview] = []
        while size > 0 and self._available():
            part = self._take(size)
            parts.append(part)
            size -= len(part)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def pieces(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes without copying them."""
        while size > 0:
            if not self._available():
                raise CorruptImage("a layer ends in the middle of a file")
            part = self._take(size)
            yield part
            size -= len(part)

    def drain(self) -> None:
        """Read to the end, so that the layer's hash is checked.

        What was read last is where no further entry was found: the zeros that end a tar, after which anything
        may follow, or something that is no entry.
        """
        if not self._at_end:
            raise CorruptImage("a layer has damaged or unknown entries")
        while self._available():
            self._take(len(self._chunk))

    def _take(self, size: int) -> memoryview:
        part, self._chunk = self._chunk[:size], self._chunk[size:]
        self._position += len(part)
        return part

    def _available(self) -> bool:
        while not len(self._chunk) and not self._ended:
            item = self._chunks.get()
            if item is None:
                self._ended = True
            elif isinstance(item, BaseException):
                self._ended = True
                raise item
            else:
                self._chunk = memoryview(item)
        return len(self._chunk) > 0


class Unpacker:
    """Decompresses layers one after the other in a thread of its own. Use as a context manager."""

    def __init__(self, layers: Iterable[Layer], gunzip: Gunzip = ZLIB) -> None:
        self._layers = layers
        self._gunzip = gunzip
        self._chunks: "queue.Queue[_Item]" = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Unpacker":
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        if kind is None:  # after a failure the thread may still be waiting for a transfer: not our concern
            self._thread.join()

    def streams(self) -> Iterator[TarStream]:
        """Yield the layers; each must be read to its end before the next."""
        while True:
            item = self._chunks.get()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield TarStream(self._chunks)

    def _run(self) -> None:
        try:
            for layer in self._layers:
                self._put(b"")
                self._unpack(layer)
                self._put(None)
            self._put(None)
        except _Stopped:
            pass
        except ContainerError as error:
            self._put_last(error)
        except (OSError, EOFError) as error:
            damaged = CorruptImage(f"a layer cannot be decompressed: {error}")
            self._put_last(error if causes.of_limit(error) else damaged)
        except BaseException as error:  # a defect of ours must reach the caller, who waits
            self._put_last(error)

    def _unpack(self, layer: Layer) -> None:
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in decompressed(layer.path, self._gunzip):
                digest.update(chunk)
                size += len(chunk)
                self._put(chunk)
        except AfterTheEnd:
            if "sha256:" + digest.hexdigest() != layer.diff_id:
                raise
        if layer.diff_id and "sha256:" + digest.hexdigest() != layer.diff_id:
            raise CorruptImage(f"layer {layer.path.name} unpacks to something else than {layer.diff_id}")
        if size % tarfile.BLOCKSIZE:  # umoci leaves the padding of the last file out
            self._put(bytes(-size % tarfile.BLOCKSIZE))

    def _put_last(self, error: BaseException) -> None:
        try:
            self._put(error)
        except _Stopped:
            pass

    def _put(self, item: _Item) -> None:
        while not self._stop.is_set():
            try:
                self._chunks.put(item, timeout=0.1)
                return
            except queue.Full:
                continue
        raise _Stopped


class _Stopped(Exception):
    pass
