"""Manifests, indexes and configurations of images: read, and refused when they are of something else."""

import hashlib
import json
from typing import Any, Dict, List, NamedTuple

from wrappers.containers import platforms
from wrappers.containers.blobs import Blob
from wrappers.containers.errors import CorruptImage, NoImage, WrongPlatform
from wrappers.containers.reference import Reference, is_digest
from wrappers.containers.udocker_format import settings_in

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CONFIGURATIONS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_PLAIN = tuple(f"application/{name}" for name in ("octet-stream", "gzip", "x-gzip", "zstd"))
"""What some builders call layers; all others name tar."""
_ATTESTATION = "vnd.docker.reference.type"
_OTHER_KINDS = (
    (
        "sylabs.sif",
        "a SIF file of Singularity; push it as a container image",
    ),
    ("cncf.helm", "a Helm chart"),
    ("wasm", "a WebAssembly module"),
    ("docker.plugin", "a plugin of the Docker engine"),
    ("cosign", "a signature"),
    ("in-toto", "an attestation"),
    ("buildkit.cache", "a cache of BuildKit"),
    ("cyclonedx", "a list of components (SBOM)"),
    ("spdx", "a list of components (SBOM)"),
)


class Resolved(NamedTuple):
    """An image of one platform, pinned by digest."""

    reference: Reference
    digest: str  # of the platform's image manifest
    manifest: bytes  # raw: its sha256 is `digest`
    config: Blob
    layers: List[Blob]
    index_document: bytes = b""  # raw, when the name led to the images of several platforms

    @property
    def size(self) -> int:
        """Bytes to fetch: the compressed layers and the configuration."""
        return self.config.size + sum(layer.size for layer in self.layers)


def read_document(raw: bytes, reference: Reference) -> Dict[str, Any]:
    """Parse a manifest or index. Raises NoImage."""
    try:
        document = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise NoImage(f"the manifest of image {reference.text} is not JSON")
    if document.get("schemaVersion") != 2:
        raise NoImage(f"image {reference.text} has a manifest of the old schema 1: push it again")
    return document


def is_index(document: Dict[str, Any]) -> bool:
    """Say whether a document lists the images of several platforms."""
    return document.get("mediaType") in INDEXES or "manifests" in document


def choose_platform(index: Dict[str, Any], wanted: str, reference: Reference) -> str:
    """Choose the digest of the platform's manifest: of several variants the lowest (see `platforms.order`).

    An only image that tells no platform is taken: its configuration will tell.

    Raises:
        WrongPlatform: there is none for it.
    """
    asked = platforms.read(wanted)
    entries = [entry for entry in index.get("manifests") or () if _is_image(entry)]
    offered = [platforms.described(entry.get("platform")) for entry in entries]
    ranked = [(platforms.order(found, asked), number) for number, found in enumerate(offered)]
    fitting = [(level, number) for level, number in ranked if level is not None]
    if fitting:
        return str(entries[min(fitting)[1]]["digest"])
    if len(entries) == 1 and not offered[0].architecture:
        return str(entries[0]["digest"])
    there = ", ".join(sorted({str(found) for found in offered if str(found)})) or "nothing"
    raise WrongPlatform(f"image {reference.text} does not exist for {wanted}: there is {there}")


def read_image(reference: Reference, raw: bytes, document: Dict[str, Any]) -> Resolved:
    """Read the image that a manifest describes. Raises NoImage, also for what is no container image."""
    _check_kind(reference, document)
    try:
        config, layers = _blob(document["config"]), [_blob(layer) for layer in document["layers"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NoImage(f"the manifest of image {reference.text} is not that of a container image") from None
    return Resolved(reference, sha256_of(raw), raw, config, layers)


def diff_ids_of(config: bytes, image: Resolved, wanted: str) -> List[str]:
    """List the digests of the unpacked layers, after a check that the image is for the wanted platform.

    A configuration that does not tell its platform is believed to be for it.

    Raises:
        NoImage: it is no configuration of this image.
        WrongPlatform: it is for another platform.
    """
    name = image.reference.text
    try:
        document = json.loads(config.decode("utf-8"))
        diff_ids = [str(diff_id) for diff_id in document["rootfs"]["diff_ids"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoImage(
            f"the configuration of image {name} is not that of a container image (its type is "
            f"{image.config.media or 'not told'})"
        ) from None
    try:
        settings_in(document)
    except CorruptImage as error:
        raise NoImage(f"image {name} cannot run: {error}") from None
    if len(diff_ids) != len(image.layers):
        raise NoImage(f"image {name} has {len(image.layers)} layers and {len(diff_ids)} diff_ids")
    made_for = platforms.described(document)
    if not platforms.fits(made_for, platforms.read(platforms.without_variant(wanted))):
        raise WrongPlatform(f"image {name} does not exist for {wanted}: it is made for {made_for}")
    return diff_ids


def sha256_of(data: bytes) -> str:
    """Compute the digest of bytes, as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _is_image(entry: Any) -> bool:
    if not isinstance(entry, dict) or not is_digest(str(entry.get("digest"))):
        return False
    found = platforms.described(entry.get("platform"))
    marked = _ATTESTATION in (entry.get("annotations") or {})
    return not marked and not entry.get("artifactType") and found.architecture != "unknown"


def _check_kind(reference: Reference, document: Dict[str, Any]) -> None:
    """Refuse what registries hold beside container images, by name."""
    config = document.get("config")
    types = [str(document.get("artifactType") or "")]
    types.append(str(config.get("mediaType") or "") if isinstance(config, dict) else "")
    layers = document.get("layers")
    types += [str(layer.get("mediaType") or "") for layer in layers or () if isinstance(layer, dict)]
    for kind in types:
        if kind.endswith("+encrypted"):
            raise NoImage(f"image {reference.text} cannot run: its layers are encrypted ({kind})")
        for sign, what in _OTHER_KINDS:
            if sign in kind:
                raise NoImage(f"{reference.text} is no container image, but {what} ({kind})")
    artifact, made, *contents = types
    other = next((kind for kind in contents if kind and "tar" not in kind and kind not in _PLAIN), "")
    if artifact and made not in _CONFIGURATIONS:
        other = artifact
    if other:
        raise NoImage(f"{reference.text} is no container image, but an artifact of type {other}")


def _blob(entry: Dict[str, Any]) -> Blob:
    size = int(entry["size"])
    if not is_digest(entry["digest"]) or size < 0:
        raise ValueError(entry)
    return Blob(entry["digest"], size, str(entry.get("mediaType", "")))
