"""Layers from a registry into files: hashed on the way, taken up again where a transfer was cut."""

import errno
import hashlib
from pathlib import Path
from typing import IO, Callable, NamedTuple

from wrappers import causes
from wrappers.containers.errors import CorruptImage, ImageMissing, RegistryDown, UnsuitableNode
from wrappers.containers.reference import Reference
from wrappers.containers.transport import TransferError, Transport
from wrappers.transfer.response import Response

_CHUNK = 1 << 18


class Blob(NamedTuple):
    """Bytes in a registry, by their digest."""

    digest: str
    size: int
    media: str = ""


def fetch(
    transport: Transport,
    reference: Reference,
    blob: Blob,
    into: Path,
    wanted: Callable[[], bool] = lambda: True,
    resume: bool = False,
) -> int:
    """Fetch a blob into a file, made or (without `resume`) overwritten. Returns the bytes received.

    `wanted` is asked again and again; once it says no, the transfer ends with RegistryDown.

    Raises:
        ImageMissing: the blob is not there.
        AccessDenied, RegistryDown: see Transport.get.
        CorruptImage: what came, twice, is not what the digest names.
        UnsuitableNode: the file cannot be written.
    """
    received = 0
    for _ in range(3 if resume else 2):  # a byte may be flipped on the way once; twice is no accident
        try:
            resume = resume and into.exists()
            with open(str(into), "r+b" if resume else "wb") as file:
                download = _Download(transport, reference, blob, file, wanted)
                if resume:
                    download.take_up()
                download.run()
        except _Unwritable as error:
            message = f"layer {blob.digest} cannot be written to {into}: {error}"
            raise UnsuitableNode(message, error.cause) from None
        received += download.received
        if download.is_good():
            return received
        resume = False  # what was there may have been wrong
    raise CorruptImage(
        f"registry {transport.host} sends wrong bytes for layer {blob.digest} of image {reference.text}"
    )


def scope_of(reference: Reference) -> str:
    """Return what a token must allow, as the token specification writes it."""
    return f"repository:{reference.repository}:pull"


class _Unwritable(Exception):
    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or errno.errorcode.get(error.errno or 0, "error"))
        self.cause = causes.of_limit(error)


class _Download:
    def __init__(
        self,
        transport: Transport,
        reference: Reference,
        blob: Blob,
        file: IO[bytes],
        wanted: Callable[[], bool],
    ) -> None:
        self._transport, self._reference, self._blob, self._file = transport, reference, blob, file
        self._wanted = wanted
        self._hash = hashlib.sha256()
        self._done = 0  # bytes in the file
        self.received = 0  # bytes over the network

    def is_good(self) -> bool:
        return "sha256:" + self._hash.hexdigest() == self._blob.digest

    def take_up(self) -> None:
        """Count what is in the file as done."""
        for chunk in iter(lambda: self._file.read(_CHUNK), b""):
            self._hash.update(chunk)
            self._done += len(chunk)
        if self._done > self._blob.size:
            self._restart()

    def run(self) -> None:
        fruitless = 0
        while self._done < self._blob.size:
            before = self._done
            trouble = self._take(self._ask())
            if self._done >= self._blob.size:
                return
            fruitless = 0 if self._done > before else fruitless + 1
            if fruitless >= self._transport.retry_budget.tries:
                raise RegistryDown(f"registry {self._transport.host} breaks off every transfer: {trouble}")
            self._transport.wait(fruitless)

    def _ask(self) -> Response:
        path = f"/v2/{self._reference.repository}/blobs/{self._blob.digest}"
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        answer = self._transport.get(path, scope_of(self._reference), headers)
        if answer.status == 404:
            answer.close()
            where = self._transport.host
            raise ImageMissing(
                f"image {self._reference.text} lacks layer {self._blob.digest} (registry {where})"
            )
        if answer.status == 416:
            answer.close()
            self._restart()
            return self._ask()
        if self._done and answer.status != 206:  # this server knows no ranges
            self._restart()
        return answer

    def _take(self, answer: Response) -> str:
        """Write what comes; says why it ended."""
        try:
            with answer:
                for piece in answer.pieces():
                    self._write(piece)
                    if self._done > self._blob.size:
                        break
        except TransferError as error:
            return str(error)
        return "it ends too early"

    def _write(self, chunk: memoryview) -> None:
        if not self._wanted():
            raise RegistryDown("the transfer is not wanted any more")
        try:
            self._file.write(chunk)
            if self._done + len(chunk) >= self._blob.size:
                self._file.flush()  # a full disk must be noticed here
        except OSError as error:
            raise _Unwritable(error) from None
        self._hash.update(chunk)
        self._done += len(chunk)
        self.received += len(chunk)

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._hash, self._done = hashlib.sha256(), 0
