"""Images in a tar file: an OCI archive (skopeo, buildah, Docker since 25), or what `docker save` writes.

An OCI archive holds the manifest of the registry, and so its digest. The older form of `docker save` holds
none: we write one from what it says, so that the same archive always has the same digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from wrappers.containers.blobs import Blob
from wrappers.containers.decompress import is_compressed
from wrappers.containers.errors import ContainerError, CorruptImage, ImageMissing, UnsuitableNode
from wrappers.containers.manifests import (
    Resolved,
    choose_platform,
    is_index,
    read_document,
    read_image,
)
from wrappers.containers.members import DAMAGE
from wrappers.containers.reference import Reference, parse

_LARGEST_DOCUMENT = 16 << 20  # bytes
_CHUNK = 1 << 20
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


class ArchiveSource:
    """A tar file with images."""

    def __init__(self, path: Path, name: str = "archive") -> None:
        self.name = name
        self._path = path
        self._lock = threading.Lock()  # one file position for all
        self._blobs: dict[str, str] = {}  # digest -> member, of what `docker save` names otherwise
        try:
            self._tar = tarfile.open(path)  # noqa: SIM115 - kept open for layers, see `close`
            self._members = {posixpath.normpath(member.name): member for member in self._tar}
        except (OSError, *DAMAGE) as error:
            raise UnsuitableNode(f"{path} cannot be read as an archive of images: {error}") from None
        self._oci = "index.json" in self._members
        if not self._oci and "manifest.json" not in self._members:
            raise CorruptImage(f"{path} has neither index.json nor manifest.json: it is no archive of images")

    def close(self) -> None:
        """Close the file."""
        self._tar.close()

    def references(self) -> list[Reference]:
        """List the images that the archive names."""
        if self._oci:
            entries = self._json("index.json").get("manifests") or []
            names = [_named(entry) for entry in entries]
        else:
            names = [tag for entry in self._saved() for tag in entry.get("RepoTags") or ()]
        return [parse(name) for name in dict.fromkeys(filter(None, names))]

    def resolve(self, reference: Reference, platform: str) -> Resolved:
        """Find the image of that name, or the only one, whatever its name is."""
        resolve = self._resolve_oci if self._oci else self._resolve_saved
        image = resolve(reference, platform)
        if reference.digest and image.digest != reference.digest:
            raise ImageMissing(f"{self._path} has no image {reference.text}: there is {image.digest}")
        return image

    def config(self, image: Resolved) -> bytes:
        """Read the configuration, and check it."""
        data = self._read(self._member_of(image.config.digest))
        _check(hashlib.sha256(data).hexdigest(), image.config.digest, self._path)
        return data

    def fetch(self, image: Resolved, blob: Blob, into: Path, progress: Callable[[int], None]) -> int:
        """Take a layer out, checked; nothing comes over the network."""
        digest = hashlib.sha256()
        try:
            with self._lock, self._open(self._member_of(blob.digest)) as content, open(into, "wb") as file:
                for chunk in iter(lambda: content.read(_CHUNK), b""):
                    digest.update(chunk)
                    file.write(chunk)
                    progress(file.tell())
        except (tarfile.TarError, EOFError) as error:
            raise CorruptImage(f"{self._path}: layer {blob.digest} is damaged: {error}") from None
        except OSError as error:
            raise UnsuitableNode(
                f"layer {blob.digest} cannot be written: {error.strerror or error}"
            ) from None
        _check(digest.hexdigest(), blob.digest, self._path)
        return 0

    def _resolve_oci(self, reference: Reference, platform: str) -> Resolved:
        entries = self._json("index.json").get("manifests") or []
        named = [entry for entry in entries if _is(_named(entry), reference)]
        for chosen in named or entries[: 1 if len(entries) == 1 else 0]:
            raw = self._read(self._member_of(str(chosen.get("digest"))))
            document = read_document(raw, reference)
            if is_index(document):
                raw = self._read(self._member_of(choose_platform(document, platform, reference)))
                document = read_document(raw, reference)
            return read_image(reference, raw, document)
        raise self._missing(reference)

    def _resolve_saved(self, reference: Reference, platform: str) -> Resolved:
        entries = self._saved()
        named = [
            entry for entry in entries if any(_is(tag, reference) for tag in entry.get("RepoTags") or ())
        ]
        for chosen in named or entries[: 1 if len(entries) == 1 else 0]:
            return self._saved_image(chosen, reference)
        raise self._missing(reference)

    def _saved_image(self, entry: dict[str, Any], reference: Reference) -> Resolved:
        try:
            config = self._read(str(entry["Config"]))
            diff_ids = json.loads(config)["rootfs"]["diff_ids"]
            layers = [self._real(str(layer)) for layer in entry["Layers"]]
        except (KeyError, TypeError, ValueError):
            raise CorruptImage(f"{self._path}: manifest.json is not what docker save writes") from None
        if len(layers) != len(diff_ids):
            raise CorruptImage(f"{self._path}: an image has {len(layers)} layers, {len(diff_ids)} diff_ids")
        name = "sha256:" + hashlib.sha256(config).hexdigest()
        digests = [
            self._digest_of(layer) or str(diff_id) for layer, diff_id in zip(layers, diff_ids, strict=True)
        ]
        self._blobs.update({name: str(entry["Config"]), **dict(zip(digests, layers, strict=True))})
        descriptors = [
            {"mediaType": _LAYER, "size": self._members[layer].size, "digest": digest}
            for layer, digest in zip(layers, digests, strict=True)
        ]
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": name},
            "layers": descriptors,
        }
        raw = json.dumps(manifest, sort_keys=True).encode()
        return read_image(reference, raw, manifest)

    def _digest_of(self, layer: str) -> str:
        """Return the digest of a layer that is stored compressed (skopeo, bazel, kaniko); "" for one that is
        not: its digest is the diff_id.
        """
        digest = hashlib.sha256()
        with self._lock, _read_well(self._path, layer), self._open(layer) as content:
            head = content.read(_CHUNK)
            if not is_compressed(head):
                return ""
            digest.update(head)
            for chunk in iter(lambda: content.read(_CHUNK), b""):
                digest.update(chunk)
        return "sha256:" + digest.hexdigest()

    def _real(self, name: str) -> str:
        """Follow the link that stands for a layer which several images share."""
        name = posixpath.normpath(name)
        for _ in range(10):
            member = self._members.get(name)
            if member is None:
                raise CorruptImage(f"{self._path}: {name} is missing: the archive was cut or made wrongly")
            if not member.issym():
                return name
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        raise CorruptImage(f"{self._path}: {name} is a link that leads nowhere")

    def _saved(self) -> list[dict[str, Any]]:
        entries = self._parse("manifest.json")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise CorruptImage(f"{self._path}: manifest.json is not what docker save writes")
        return entries

    def _member_of(self, digest: str) -> str:
        return self._blobs.get(digest) or f"blobs/{digest.replace(':', '/')}"

    def _json(self, name: str) -> dict[str, Any]:
        document = self._parse(name)
        if not isinstance(document, dict):
            raise CorruptImage(f"{self._path}: {name} is no JSON object")
        return document

    def _parse(self, name: str) -> Any:
        try:
            return json.loads(self._read(name))
        except ValueError:
            raise CorruptImage(f"{self._path}: {name} is not JSON") from None

    def _read(self, name: str) -> bytes:
        with self._lock, _read_well(self._path, name), self._open(name) as file:
            return file.read(_LARGEST_DOCUMENT)

    def _open(self, name: str) -> IO[bytes]:
        member = self._members.get(self._real(name))
        file = self._tar.extractfile(member) if member else None
        if file is None:
            raise CorruptImage(f"{self._path}: {name} is no file")
        return file

    def _missing(self, reference: Reference) -> ContainerError:
        there = ", ".join(one.text for one in self.references()) or "images without names"
        return ImageMissing(f"{self._path} has no image {reference.text}: there is {there}")


@contextmanager
def _read_well(path: Path, name: str) -> Iterator[None]:
    """Trouble with reading a member is the archive's."""
    try:
        yield
    except (OSError, *DAMAGE) as error:
        raise CorruptImage(f"{path}: {name} is damaged: {error}") from None


def _named(entry: dict[str, Any]) -> str:
    annotations = entry.get("annotations") or {}
    return next((str(annotations[name]) for name in _NAMES if "/" in str(annotations.get(name, ""))), "")


def _is(name: str, reference: Reference) -> bool:
    try:
        return bool(name) and parse(name)[:3] == reference[:3]
    except ContainerError:
        return False


def _check(found: str, digest: str, path: os.PathLike[str]) -> None:
    if "sha256:" + found != digest:
        raise CorruptImage(f"{path}: what is stored as {digest} is something else")
