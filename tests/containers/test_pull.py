"""What a pull does about the other layers when one fails: a registry in this process that can be held."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.leftovers import nothing_left
from wrappers.containers import pull
from wrappers.containers.blobs import Blob
from wrappers.containers.errors import CorruptImage, RegistryDown
from wrappers.containers.manifests import Resolved
from wrappers.containers.platforms import platform
from wrappers.containers.reference import Reference, parse
from wrappers.containers.registry import RegistryClient

LAYERS = 40
LONGEST_S = 30.0


class Held(RegistryClient):
    """A registry whose first layer is broken, once others are on their way; these never end by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []
        self.given_up: list[str] = []
        self.coming = threading.Barrier(3)

    def config(self, image: Resolved) -> bytes:
        system, architecture = platform().split("/")[:2]
        ids = [f"sha256:{hashlib.sha256(layer.digest.encode()).hexdigest()}" for layer in image.layers]
        told = {"os": system, "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": ids}}
        return json.dumps(told).encode()

    def fetch(
        self,
        reference: Reference,
        blob: Blob,
        into: Path,
        wanted: Callable[[], bool] = lambda: True,
        resume: bool = False,
    ) -> int:
        self.begun.append(blob.digest)
        if blob.digest in ("sha256:0", "sha256:1", "sha256:2"):
            self.coming.wait(LONGEST_S)
        if blob.digest == "sha256:0":
            raise CorruptImage("the first layer is broken")
        deadline = time.monotonic() + LONGEST_S
        while wanted() and time.monotonic() < deadline:
            time.sleep(0.005)
        if not wanted():
            self.given_up.append(blob.digest)
        raise RegistryDown("the transfer is not wanted any more")


def test_a_layer_that_fails_ends_the_transfers_of_all_others(tmp_path: Path) -> None:
    """Without it, a job that has failed long ago goes on filling the disk and the line of its node."""
    registry = Held()
    layers = [Blob(f"sha256:{number}", 1) for number in range(LAYERS)]
    image = Resolved(parse("example.org/x:1"), "sha256:m", b"{}", Blob("sha256:c", 1), layers)
    with nothing_left(tmp_path), pytest.raises(CorruptImage, match="the first layer is broken"):
        pull.pull(registry, image, tmp_path / "into")
    assert {"sha256:1", "sha256:2"} <= set(registry.given_up)
    assert sorted(registry.given_up) == sorted(set(registry.begun) - {"sha256:0"})
    assert "sha256:39" not in registry.begun, "what waited for its turn is not begun any more"
