"""What the demos have in common: saying what is done, the container image, the descriptor."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.images import dcm2niix_layer, push_dcm2niix
from tests.services.registry import start_registry

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "demo"
DESCRIPTOR = ROOT / "config" / "examples" / "dcm2niix" / "descriptor.json"
VERSION = "1.0.20220720"
"""Of dcm2niix in Debian 12."""


@contextmanager
def step(words: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"\n* {words} ... ", end="", flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:.1f} s", flush=True)


def tell(words: str) -> None:
    """One detail of a step."""
    print(f"  {words}", flush=True)


@contextmanager
def image_in_registry() -> Iterator[Path]:
    """Build the container image and serve it from a registry until the end of the block.

    Gives the descriptor that names it.
    """
    with step("Building a container image from Debian packages, without Docker"):
        dcm2niix_layer(CACHE)
    with start_registry(CACHE / "registry") as registry:
        with step(f"Pushing it to a registry on {registry.host}"):
            image = push_dcm2niix(registry, CACHE, f"demo/dcm2niix:{VERSION}")
        tell(image)
        yield write_descriptor(image)


def write_descriptor(image: str) -> Path:
    """The shipped example with the demo's own image: nothing else differs. Returns the file."""
    descriptor = json.loads(DESCRIPTOR.read_text())
    tell(f"it takes the place of {descriptor['container-image']['image']} in {shown(DESCRIPTOR)}")
    descriptor["container-image"]["image"] = image
    descriptor["tool-version"] = VERSION
    file = CACHE / "descriptor.json"
    file.write_text(json.dumps(descriptor, indent=2))
    return file


def shown(path: Path) -> str:
    """A path as somebody in the current directory would type it."""
    return os.path.relpath(path)
