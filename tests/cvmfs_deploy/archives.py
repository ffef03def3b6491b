"""Archives: udocker's tools, and images as `docker save` wrote them before Docker 25, and in OCI's form."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.services.images import add, digest_of
from tests.services.proot import proot_for_tests

_OCI = "application/vnd.oci.image"


def config(layers: Sequence[bytes], architecture: str = "amd64") -> bytes:
    """The configuration of an image of uncompressed layers."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["LANG=C.UTF-8"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    return json.dumps(document).encode()


def saved(path: Path, name: str, layers: Sequence[bytes], pack: Callable[[bytes], bytes] = bytes) -> None:
    """Write what an older `docker save` writes; a layer that comes again is a link to the first.

    Other programs write layers compressed: `pack`.
    """
    names = [f"{digest_of(layer)[7:19]}-{number}/layer.tar" for number, layer in enumerate(layers)]
    first: dict[bytes, str] = {}
    with tarfile.open(path, "w") as tar:
        add(tar, "config.json", config(layers))
        for member, content in zip(names, layers, strict=True):
            if content in first:
                add(tar, member, link=f"../{first[content]}", kind=tarfile.SYMTYPE)
            else:
                add(tar, member, pack(content))
                first[content] = member
        entry = {"Config": "config.json", "RepoTags": [name] if name else None, "Layers": names}
        add(tar, "manifest.json", json.dumps([entry]))


def oci(path: Path, images: Mapping[str, Sequence[bytes]], *, nested: bool = False) -> dict[str, str]:
    """Write an OCI archive; returns the digest of each image. `nested` puts an index around each."""
    blobs: dict[str, bytes] = {}
    entries = []
    digests = {}
    for name, layers in images.items():
        packed = [gzip.compress(layer, mtime=0) for layer in layers]
        document = config(layers)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{_OCI}.manifest.v1+json",
                "config": _blob(blobs, document, f"{_OCI}.config.v1+json"),
                "layers": [_blob(blobs, layer, f"{_OCI}.layer.v1.tar+gzip") for layer in packed],
            }
        ).encode()
        entry = _blob(blobs, manifest, f"{_OCI}.manifest.v1+json")
        digests[name] = str(entry["digest"])
        if nested:
            listed = {**entry, "platform": {"os": "linux", "architecture": "amd64"}}
            index = json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode()
            entry = _blob(blobs, index, f"{_OCI}.index.v1+json")
        entries.append(
            {**entry, "annotations": {"org.opencontainers.image.ref.name": name}} if name else entry
        )
    with tarfile.open(path, "w") as tar:
        add(tar, "oci-layout", '{"imageLayoutVersion": "1.0.0"}')
        add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}))
        for digest, data in blobs.items():
            add(tar, f"blobs/{digest.replace(':', '/')}", data)
    return digests


def tools_tarball(path: Path) -> None:
    """udocker's tarball of tools, with Debian's proot behind the shim of the tests."""
    shim = proot_for_tests(path.parent).read_bytes()
    with tarfile.open(path, "w:gz") as tar:
        files = {
            f"udocker_dir/bin/proot-{os.uname().machine}-4_8_0": shim,
            "udocker_dir/lib/VERSION": b"1.2.11",
            "udocker_dir/bin/../../../escaped": b"x",
            "README": b"x",
        }
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o700
            tar.addfile(member, io.BytesIO(content))


def _blob(blobs: dict[str, bytes], data: bytes, media: str) -> dict[str, Any]:
    blobs[digest_of(data)] = data
    return {"mediaType": media, "size": len(data), "digest": digest_of(data)}
