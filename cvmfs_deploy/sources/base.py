"""What an image is got from. Whatever it is, every byte is checked against the digest that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from wrappers.containers.blobs import Blob
from wrappers.containers.manifests import Resolved
from wrappers.containers.reference import Reference


class ImageSource(Protocol):
    """A source of images. May be asked by several threads. Raises ContainerErrors."""

    @property
    def name(self) -> str:
        """What the record of a published image says: `registry`, `archive`, `docker`."""

    def resolve(self, reference: Reference, platform: str) -> Resolved:
        """Resolve the image of a platform, by its digest."""

    def config(self, image: Resolved) -> bytes:
        """Read the configuration of an image."""

    def fetch(self, image: Resolved, blob: Blob, into: Path, progress: Callable[[int], None]) -> int:
        """Bring a layer into a file, taking up what is there of it.

        `progress` is told again and again how many bytes of it there are, and may raise to end it.

        Returns the bytes that came over the network.
        """
