"""Container images built and pushed without a container engine and without root."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.services.debian import require, unpack
from tests.services.registry import Registry

ENVIRONMENT = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
_DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar",
    "suffix": ".",
}
_OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "index": "application/vnd.oci.image.index.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar",
    "suffix": "+",
}


def push_busybox(registry: Registry, name: str = "vip/busybox:1.0", *, group: bool = True) -> str:
    """Push 2 MB of Debian's busybox-static (`group=False`: without /etc/group). Returns its reference."""
    push(registry.url, name, [busybox_layer(group=group)])
    return f"{registry.host}/{name}"


def push_dcm2niix(registry: Registry, cache: Path, name: str = "vip/dcm2niix:1.0") -> str:
    """Push dcm2niix and a shell from Debian packages, kept under `cache`. Returns its reference."""
    push(registry.url, name, [dcm2niix_layer(cache)])
    return f"{registry.host}/{name}"


def busybox_layer(*, group: bool = True) -> bytes:
    """A root file system with a static busybox, as an uncompressed layer."""
    program = Path(require("busybox", "busybox-static"))
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    files: dict[str, bytes | str] = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}
    if group:
        files["etc/group"] = b"root:x:0:\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for directory in ("bin", "dev", "etc", "proc", "sys", "usr", "usr/bin", "var"):
            add(tar, directory, mode=0o755, kind=tarfile.DIRTYPE)
        add(tar, "root", mode=0o700, kind=tarfile.DIRTYPE)
        for directory in ("tmp", "var/tmp"):
            add(tar, directory, mode=0o1777, kind=tarfile.DIRTYPE)
        add(tar, "bin/busybox", program.read_bytes(), mode=0o755)
        for applet in applets:
            if applet != "busybox":
                add(tar, f"bin/{applet}", link="busybox", kind=tarfile.SYMTYPE)
        for path, content in files.items():
            add(tar, path, content)
    return buffer.getvalue()


def one_file_layer(name: str, content: bytes | str, *, mode: int = 0o644) -> bytes:
    """A layer of one file, uncompressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add(tar, name, content, mode=mode)
    return buffer.getvalue()


def dcm2niix_layer(cache: Path) -> bytes:
    """dcm2niix, a shell and the usual small programs from Debian packages, as an uncompressed layer."""
    cache.mkdir(parents=True, exist_ok=True)
    layer = cache / "dcm2niix.tar"
    with open(cache / "dcm2niix.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layer.exists():
            _build_dcm2niix(cache, layer)
    return layer.read_bytes()


def _build_dcm2niix(cache: Path, layer: Path) -> None:
    tree = cache / "dcm2niix.tree"
    shutil.rmtree(tree, ignore_errors=True)
    packages = ["dcm2niix", "dash", "coreutils", "grep", "sed", "findutils"]
    unpack(packages, tree, cache / "debs")
    for waste in ("doc", "man", "locale", "info", "lintian", "bash-completion"):
        shutil.rmtree(tree / "usr/share" / waste, ignore_errors=True)
    for directory in ("tmp", "var/tmp", "proc", "sys", "dev", "root", "etc"):
        (tree / directory).mkdir(parents=True, exist_ok=True)
    (tree / "bin/sh").unlink(missing_ok=True)
    (tree / "bin/sh").symlink_to("dash")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")
    layer.with_suffix(".new").write_bytes(layer_of(tree))
    os.replace(layer.with_suffix(".new"), layer)
    shutil.rmtree(tree)


def layer_of(tree: Path) -> bytes:
    """A directory as an uncompressed layer, owned by root, always the same bytes for the same tree."""

    def neutral(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 0
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted(os.listdir(tree)):
            tar.add(tree / name, name, filter=neutral)
    return buffer.getvalue()


def add(
    tar: tarfile.TarFile,
    name: str,
    content: bytes | str = b"",
    *,
    mode: int = 0o644,
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
) -> None:
    """Add one entry, wanted or hostile, to a layer."""
    data = content.encode() if isinstance(content, str) else content
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.linkname = mode, kind, link
    member.size = len(data) if kind == tarfile.REGTYPE else 0
    tar.addfile(member, io.BytesIO(data))


def push(
    url: str,
    name: str,
    layers: Sequence[bytes],
    *,
    oci: bool = False,
    index: bool = False,
    compression: str = "gzip",
    config: Mapping[str, Any] | None = None,
    architecture: str = "amd64",
) -> str:
    """Push an image of uncompressed `layers` as `name` (repository:tag).

    `config` is merged into the image's configuration (Env, Entrypoint, WorkingDir ...); `index` wraps
    the image in an index that also lists another platform. Returns the digest of the image's manifest.
    """
    repository, tag = name.rsplit(":", 1)
    media = _OCI if oci else _DOCKER
    kind = media["layer"] + (media["suffix"] + compression if compression != "none" else "")
    descriptors = [push_blob(url, repository, kind, _compress(layer, compression)) for layer in layers]
    document = configuration(layers, config or {}, architecture)
    manifest = {
        "schemaVersion": 2,
        "mediaType": media["manifest"],
        "config": push_blob(url, repository, media["config"], document),
        "layers": descriptors,
    }
    body = json.dumps(manifest, sort_keys=True).encode()
    put_manifest(url, repository, digest_of(body) if index else tag, media["manifest"], body)
    if index:
        _push_index(url, repository, tag, media, body, architecture)
    return digest_of(body)


def _push_index(
    url: str, repository: str, tag: str, media: Mapping[str, str], body: bytes, architecture: str
) -> None:
    entry = {"mediaType": media["manifest"], "digest": digest_of(body), "size": len(body)}
    # the second entry is what BuildKit adds to every image: an attestation for an unknown platform
    manifests = [
        {**entry, "platform": {"architecture": "unknown", "os": "unknown"}},
        {**entry, "platform": {"architecture": architecture, "os": "linux"}},
    ]
    document = {"schemaVersion": 2, "mediaType": media["index"], "manifests": manifests}
    put_manifest(url, repository, tag, media["index"], json.dumps(document, sort_keys=True).encode())


def put_manifest(url: str, repository: str, reference: str, kind: str, body: bytes) -> None:
    """Store a manifest under a tag or its digest."""
    _call("PUT", f"{url}/v2/{repository}/manifests/{reference}", body, {"Content-Type": kind})


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def configuration(
    layers: Sequence[bytes], extra: Mapping[str, Any] | None = None, architecture: str = "amd64"
) -> bytes:
    """The configuration of an image of these uncompressed layers."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ENVIRONMENT, "Cmd": ["/bin/sh"], **(extra or {})},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    return json.dumps(document, sort_keys=True).encode()


def _compress(layer: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.compress(layer, 6, mtime=0)
    if compression == "zstd":
        zstd = require("zstd", "zstd")
        return subprocess.run([zstd, "-q", "-c"], input=layer, stdout=subprocess.PIPE, check=True).stdout
    return layer


def push_blob(url: str, repository: str, kind: str, data: bytes) -> dict[str, Any]:
    """Store bytes; gives their descriptor, as manifests have it."""
    digest = digest_of(data)
    status, _ = _call("HEAD", f"{url}/v2/{repository}/blobs/{digest}", accept=(200, 404))
    if status == 404:
        _, location = _call("POST", f"{url}/v2/{repository}/blobs/uploads/", b"")
        target = url + location if location.startswith("/") else location
        separator = "&" if "?" in target else "?"
        headers = {"Content-Type": "application/octet-stream"}
        _call("PUT", f"{target}{separator}digest={digest}", data, headers)
    return {"mediaType": kind, "size": len(data), "digest": digest}


def _call(
    method: str,
    url: str,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    accept: Sequence[int] = (200, 201, 202),
) -> tuple[int, str]:
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request) as answer:
            status, location = answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        with error:
            status, location = error.code, ""
    if status not in accept:
        raise RuntimeError(f"{method} {url}: status {status}")
    return status, location
