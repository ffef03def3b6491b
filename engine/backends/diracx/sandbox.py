"""Sandboxes: small archives in DiracX's own store, named by their content and private to their owner."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from engine.backends.diracx.client import Client, Refused
from engine.backends.wms.payload import Archive

LARGEST_FILE = 64 << 20
"""Bytes of one file that is taken from an output sandbox: DiracX takes sandboxes of up to 100 MiB."""

_WANTED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*\.(report\.json|out|err|debug|results\.tar)", re.ASCII)


async def upload(client: Client, archive: Archive, form: str = "tar.zst") -> str:
    """Bring an archive there if it is not there yet; its name, as job descriptions want it.

    Raises:
        Refused: it is too large.
        BackendUnavailable, CredentialExpired: as for every request.
    """
    told = {
        "checksum_algorithm": "sha256",
        "checksum": archive.sha256,
        "size": len(archive.data),
        "format": form,
    }
    answer = (await client.ask("POST", "/api/jobs/sandbox", told)).data
    if answer.get("url"):
        files = {"file": ("file", archive.data)}
        await client.store("POST", answer["url"], data=answer["fields"], files=files)
    return str(answer["pfn"])


async def download(client: Client, name: str) -> bytes:
    """The bytes of a sandbox.

    Raises:
        Refused: the store does not know it, or it lies in another store.
        BackendUnavailable, CredentialExpired: as for every request.
    """
    answer = (await client.ask("GET", "/api/jobs/sandbox", pfn=name)).data
    return await client.store("GET", answer["url"])


async def outputs_of(client: Client, native_id: str) -> list[str]:
    """The names of the output sandboxes of a job: none while it has not ended, or when it brought none."""
    found = (await client.ask("GET", f"/api/jobs/{int(native_id)}/sandbox/output")).data
    return [str(name) for name in found or [] if name]


def unpack(data: bytes, into: Path) -> list[Path]:
    """Take reports and logs out of a sandbox; anything else in it, and anything too large, is left.

    Raises:
        Refused: it is no archive.
    """
    brought = []
    try:
        with opened(data) as tar:
            for entry in tar:
                name = entry.name.removeprefix("./")
                if entry.isfile() and entry.size <= LARGEST_FILE and _WANTED.fullmatch(name):
                    brought.append(_write(tar, entry, into / name))
    except (tarfile.TarError, zstandard.ZstdError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # no room here: nothing is wrong with the archive
        raise Refused(0, f"the output sandbox cannot be read: {error}") from None
    return brought


@contextmanager
def opened(data: bytes) -> Iterator[tarfile.TarFile]:
    """A tar, whatever it is compressed with: zstandard, or what tarfile knows itself."""
    stream: IO[bytes] = io.BytesIO(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        stream = cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(data))
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            yield tar
    else:
        with tarfile.open(fileobj=stream, mode="r:*") as tar:
            yield tar


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> Path:
    content = tar.extractfile(entry)
    with target.open("wb") as file:
        while content is not None and (piece := content.read(1 << 20)):
            file.write(piece)
    return target
