"""A root file system in a tarball, verified by its sha256 and unpacked as a udocker container directory."""

import hashlib
import json
import os
import urllib.parse
from pathlib import Path
from typing import Iterable, NamedTuple, Union

from wrappers import wire
from wrappers.containers import udocker_format
from wrappers.containers.errors import CorruptImage, ImageMissing, RegistryDown, of_os
from wrappers.containers.layers import Findings, extract
from wrappers.containers.reference import DOCKER_HUB, Reference
from wrappers.containers.tarstream import Layer
from wrappers.containers.transport import RetryBudget, Transport
from wrappers.transfer.errors import TransferError
from wrappers.transfer.trust import Trust

_CHUNK = 1 << 18
_SIGNS = ("bin", "usr", "sbin", "lib")  # what a root file system has, and a `docker save` archive has not


class Unpacked(NamedTuple):
    """The result of unpacking."""

    received: int  # bytes from the network
    findings: Findings


def unpack(
    image: wire.Image,
    into: Path,
    retry_budget: RetryBudget = RetryBudget(),  # noqa: B008 - immutable
    authorities: str = "",
) -> Unpacked:
    """Make the directory `into`, which must not exist, a udocker container of the tarball.

    On any error the caller removes what is there.

    Raises:
        ImageMissing: there is no such file.
        RegistryDown: its server does not answer, or breaks off.
        CorruptImage: its sha256 is another, or it holds no root file system.
        UnsuitableNode: no space, or zstd is missing.
    """
    os.mkdir(str(into), 0o755)
    archive = into / "archive"
    scheme = urllib.parse.urlsplit(image.url).scheme
    if scheme == "file":
        _copy(image, archive)
        received = 0
    else:
        received = _download(image, archive, retry_budget, Trust(authorities))
    findings = extract([Layer(archive, "")], into / udocker_format.ROOT)
    os.unlink(str(archive))
    if not any((into / udocker_format.ROOT / name).is_dir() for name in _SIGNS):
        raise CorruptImage(f"{image.url} holds no root file system: it has neither /bin nor /usr")
    manifest = json.dumps({"rootfs": image.url, "digest": image.digest}, sort_keys=True).encode("utf-8")
    name = Reference(DOCKER_HUB, "rootfs", image.digest.partition(":")[2][:12])
    udocker_format.write(into, name, b'{"config": {}}', manifest)
    return Unpacked(received, findings)


def _copy(image: wire.Image, into: Path) -> int:
    path = urllib.parse.unquote(urllib.parse.urlsplit(image.url).path)
    try:
        with open(path, "rb") as file:
            return _write(image, into, iter(lambda: file.read(_CHUNK), b""))
    except (FileNotFoundError, PermissionError) as error:
        raise ImageMissing(f"image {image.url}: {error.strerror}") from None


def _download(image: wire.Image, into: Path, retry_budget: RetryBudget, trust: Trust) -> int:
    parts = urllib.parse.urlsplit(image.url)
    transport = Transport(f"{parts.scheme}://{parts.netloc}", None, retry_budget, trust=trust, kind="server")
    path = parts.path + ("?" + parts.query if parts.query else "")
    for attempt in range(retry_budget.tries):
        answer = transport.get(path, "")
        if answer.status != 200:
            answer.close()
            raise ImageMissing(f"image {image.url} does not exist (status {answer.status})")
        try:
            with answer:
                return _write(image, into, answer.pieces())
        except TransferError as error:
            if attempt + 1 == retry_budget.tries:
                raise RegistryDown(
                    f"{transport.host} breaks off every transfer of {image.url}: {error}"
                ) from None
            transport.wait(attempt)
    raise RegistryDown(f"{transport.host} does not answer")


def _write(image: wire.Image, into: Path, pieces: Iterable[Union[bytes, memoryview]]) -> int:
    """Bytes into a file, verified on the way."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(str(into), "wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise of_os(error, f"image {image.url} cannot be copied to {into}: {error.strerror}") from None
    if "sha256:" + digest.hexdigest() != image.digest:
        raise CorruptImage(f"image {image.url} has sha256 {digest.hexdigest()}, not {image.digest}")
    return size
