"""One image from a registry into a new container directory: fetched, verified and unpacked at once."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, List, NamedTuple

from wrappers.containers import udocker_format
from wrappers.containers.blobs import Blob
from wrappers.containers.layers import Findings, extract
from wrappers.containers.manifests import Resolved, diff_ids_of
from wrappers.containers.platforms import platform
from wrappers.containers.registry import RegistryClient
from wrappers.containers.tarstream import Layer

_TRANSFERS = 3  # at a time, of one image: enough to fill a line, few enough to be a good guest


class Pulled(NamedTuple):
    """The result of a pull."""

    received: int  # bytes from the network
    findings: Findings


def pull(
    client: RegistryClient, image: Resolved, into: Path, readable: bool = False, wanted: str = ""
) -> Pulled:
    """Make the directory `into`, which must not exist, a udocker container of the image.

    `wanted` is the platform (default: this machine's).

    On any error the caller removes what is there (it is never complete before the return).

    Raises:
        ContainerError: whichever says what went wrong, see `Client.resolve` and `layers.extract`.
    """
    config = client.config(image)
    diff_ids = diff_ids_of(config, image, wanted or platform())
    os.mkdir(str(into), 0o755)
    fetching = _Fetching(client, image, into)
    try:
        findings = extract(fetching.layers(diff_ids), into / udocker_format.ROOT, readable)
    finally:
        fetching.stop()
    udocker_format.write(into, image.reference, config, image.manifest, image.index_document)
    return Pulled(fetching.received + len(config) + len(image.manifest), findings)


class _Fetching:
    """The layers on their way: a few at a time, handed out in order, removed once they are unpacked."""

    def __init__(self, client: RegistryClient, image: Resolved, into: Path) -> None:
        self._client, self._image, self._into = client, image, into
        self._wanted = True
        self._pool = ThreadPoolExecutor(_TRANSFERS)
        self._coming: "List[Future[int]]" = [
            self._pool.submit(self._fetch, number, layer) for number, layer in enumerate(image.layers)
        ]
        self.received = 0

    def layers(self, diff_ids: List[str]) -> Iterator[Layer]:
        for number, (future, diff_id) in enumerate(zip(self._coming, diff_ids)):
            self.received += future.result()
            path = self._path(number)
            yield Layer(path, diff_id)
            os.unlink(str(path))

    def stop(self) -> None:
        self._wanted = False
        for future in self._coming:
            future.cancel()
        self._pool.shutdown(wait=False)

    def _fetch(self, number: int, layer: Blob) -> int:
        return self._client.fetch(self._image.reference, layer, self._path(number), lambda: self._wanted)

    def _path(self, number: int) -> Path:
        return self._into / f"layer-{number}"
