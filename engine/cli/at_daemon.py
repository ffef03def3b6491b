"""The use cases of executions at a daemon (`--server`), and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client.executions import RemoteExecutions
from engine.errors import BadRequest
from engine.usecases import ProductView

if TYPE_CHECKING:
    from engine.client.files import FilesClient


class AtDaemon(RemoteExecutions):
    """`engine.usecases.Executions` at a daemon."""

    def download(self, id_: str, into: Path) -> Iterator[ProductView]:
        """Bring the results of an execution into a directory."""
        from engine.app.data.download import Downloads
        from engine.cli.remote_session import connected

        files = PlatformFiles(connected())
        return Downloads(lambda url: files, {}, into).download_all(map(_harmless, self.products(id_)), 1)


class PlatformFiles:
    """A storage to read from: files by their paths at the platform."""

    def __init__(self, files: FilesClient) -> None:
        self._files = files

    def get(self, url: str, into: Path, progress: object = None) -> None:
        """Bring a file, or a directory with all it holds, here."""
        if not url.startswith("/"):
            raise BadRequest(f"{into.name} is on another platform: {url}", remedy="fetch it there")
        self._files.download(url, into)


def _harmless(product: ProductView) -> ProductView:
    """Give back a result that stays in the directory into which results are brought."""
    parts = product.name.split("/")
    if product.name.startswith("/") or ".." in parts or "" in parts or "\0" in product.name:
        raise BadRequest(f"{product.name!r}: the daemon tells a name that leads elsewhere")
    return product
