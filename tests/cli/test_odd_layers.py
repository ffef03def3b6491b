"""Images that other tools built oddly run, for root and for others; what cannot be read is told by name."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.cli.desk import Desk
from tests.services import images
from tests.services.debian import require
from tests.services.registry import Registry

pytestmark = pytest.mark.service

OCI = "application/vnd.oci.image"
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip"
Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    words = [require("zstd", "zstd"), "-qc"]
    return subprocess.run(words, input=data, stdout=subprocess.PIPE, check=True).stdout


def push(registry: Registry, name: str, layers: Sequence[tuple[bytes, Pack]], kind: str = "tar") -> str:
    """An image of layers, each with how it is packed."""
    repository, tag = name.split(":")
    blobs = [
        images.push_blob(registry.url, repository, f"{OCI}.layer.v1.{kind}", pack(layer))
        for layer, pack in layers
    ]
    config = images.configuration([layer for layer, _ in layers])
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": images.push_blob(registry.url, repository, f"{OCI}.config.v1+json", config),
        "layers": blobs,
    }
    images.put_manifest(registry.url, repository, tag, manifest["mediaType"], json.dumps(manifest).encode())
    return f"{registry.host}/{name}"


def devices() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        images.add(tar, "odd/null", kind=tarfile.CHRTYPE)
        images.add(tar, "odd/zero", kind=tarfile.LNKTYPE, link="odd/null")
        images.add(tar, "variant", "mine\n")
    return buffer.getvalue()


MARK = images.one_file_layer("variant", "mine\n")
ODD: dict[str, list[tuple[bytes, Pack]]] = {
    "zstd with skippable frames": [(MARK, lambda layer: SKIPPABLE + zstd(layer) + SKIPPABLE)],
    "zstd and something else": [(MARK, lambda layer: zstd(layer) + b"something else")],
    "no bytes at all": [(MARK, gzip.compress), (b"", bytes)],
    "nothing, by gzip": [(b"", gzip.compress), (MARK, gzip.compress), (b"\0" * 1024, gzip.compress)],
    "something after gzip": [(MARK, lambda layer: gzip.compress(layer) + b"something else")],
    "something after tar": [(MARK + b"something else", gzip.compress)],
    "bzip2": [(MARK, bz2.compress)],
    "xz": [(MARK, lzma.compress)],
    "a hard link to a device": [(devices(), gzip.compress)],
}


@pytest.mark.parametrize("name", ODD)
def test_an_image_that_was_built_oddly_runs(each_desk: Desk, registry: Registry, name: str) -> None:
    number = list(ODD).index(name)
    image = push(registry, f"odd/layers:{number}", [(images.busybox_layer(), gzip.compress), *ODD[name]])
    tool = each_desk.tool(
        "cat /variant > o; ls /odd > /dev/null 2>&1 || true", outputs={"o": "o"}, image=image
    )
    assert each_desk.submit(tool, each_desk.write("i.json", {})).read("outputs/o") == "mine\n"


@pytest.mark.parametrize(
    ("head", "name"), [(b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip"), (b"\x5d\0\0", "lzma")]
)
def test_an_image_in_another_format_is_refused_by_its_name(
    desk: Desk, registry: Registry, head: bytes, name: str
) -> None:
    image = push(registry, f"odd/format:{name}", [(head + b"x" * 999, bytes)])
    tool = desk.tool("true", image=image)
    done = desk.submit(tool, desk.write("i.json", {}), code=1)
    assert f"a layer is in the format {name}: only tar is read" in done.ran.err
