"""A client of container registries (distribution API v2): names to digests, verified bytes to files.

Nothing is believed: manifests, configurations and layers are all checked against the digest that names them.
For each registry host there may be mirrors; they are asked in order before the host itself, and one that is
down, lacks the image or sends wrong bytes only costs the time to ask the next.
"""

import hashlib
import json
import time
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypeVar

from wrappers.containers.blobs import Blob, fetch, scope_of
from wrappers.containers.credentials import Logins
from wrappers.containers.errors import (
    AccessDenied,
    CorruptImage,
    ImageMissing,
    RegistryDown,
)
from wrappers.containers.platforms import platform
from wrappers.containers.reference import DOCKER_HUB, Reference, is_digest
from wrappers.containers.transport import CONNECTION_ERRORS, Answer, Patience, Transport
from wrappers.transfer.proxies import is_loopback
from wrappers.transfer.trust import Trust

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LARGEST_DOCUMENT = 16 << 20  # bytes; the specification asks registries to take manifests of 4 MiB
_T = TypeVar("_T")


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


class Client:
    """Reads images from registries and their mirrors. Cheap to make; threads may share one."""

    def __init__(
        self,
        mirrors: Optional[Mapping[str, Sequence[str]]] = None,
        logins: Optional[Logins] = None,
        patience: Patience = Patience(),  # noqa: B008 - immutable
        sleep: Callable[[float], None] = time.sleep,
        authorities: str = "",
    ) -> None:
        """`authorities`: certificate authorities that are trusted besides the system's (`Trust`)."""
        self._mirrors = mirrors or {}
        self._logins = logins or Logins()
        self._trust = Trust(authorities)
        self._patience = patience
        self._sleep = sleep
        self._transports: Dict[Tuple[str, str], List[Transport]] = {}

    def resolve(self, reference: Reference, wanted: str = "") -> Resolved:
        """Find the image of a platform (default: this machine's); one small request, two through an index.

        Raises:
            ImageMissing: no such image, or none for the platform.
            AccessDenied: credentials are missing or refused.
            RegistryDown: no answer.
            CorruptImage: the registry sends something else than the digest asked for.
        """
        index = b""
        raw = self._manifest(reference, reference.digest or reference.tag)
        document = read_document(raw, reference)
        if is_index(document):
            index = raw
            digest = choose_platform(document, wanted or platform(), reference)
            raw = self._manifest(reference, digest)
            document = read_document(raw, reference)
        return read_image(reference, raw, document)._replace(index_document=index)

    def config(self, image: Resolved) -> bytes:
        """The image's configuration, verified. Raises like `resolve`."""

        def read(transport: Transport) -> bytes:
            path = f"/v2/{image.reference.repository}/blobs/{image.config.digest}"
            return self._document(transport, path, {}, image.reference, image.config.digest)

        return self._first_good(image.reference, read)

    def fetch(
        self,
        reference: Reference,
        blob: Blob,
        into: Path,
        wanted: Callable[[], bool] = lambda: True,
        resume: bool = False,
    ) -> int:
        """Fetch a blob into a file, verified; a cut transfer goes on where it ended.

        Once `wanted` says no, the transfer is given up. `resume` takes up what an earlier transfer left in
        the file. Returns the bytes received. Raises like `resolve`, and NodeTrouble when the file cannot be
        written.
        """

        def ask(transport: Transport) -> int:
            return fetch(transport, reference, blob, into, wanted, resume)

        return self._first_good(reference, ask)

    def _first_good(self, reference: Reference, ask: Callable[[Transport], _T]) -> _T:
        transports = self.ways_to(reference)
        for transport in transports[:-1]:
            try:
                return ask(transport)
            except (ImageMissing, AccessDenied, RegistryDown, CorruptImage):
                continue  # the registry itself has the last word
        return ask(transports[-1])

    def ways_to(self, reference: Reference) -> List[Transport]:
        """How to reach an image: through the mirrors of its registry in order, and last by itself."""
        host, repository = place = reference.host, reference.repository
        if place not in self._transports:
            # a mirror is an optimisation: little patience, and never the registry's credentials
            quick = self._patience._replace(tries=min(2, self._patience.tries))
            ways = [
                Transport(url, self._logins.find(_netloc(url), repository), quick, self._sleep, self._trust)
                for url in self._mirrors.get(host, ())
            ]
            login = self._logins.find(host, repository)
            ways.append(Transport(_address(host), login, self._patience, self._sleep, self._trust))
            self._transports[place] = ways
        return self._transports[place]

    def _manifest(self, reference: Reference, name: str) -> bytes:
        digest = name if is_digest(name) else ""

        def read(transport: Transport) -> bytes:
            path = f"/v2/{reference.repository}/manifests/{name}"
            return self._document(
                transport, path, {"Accept": ", ".join(_MANIFESTS + _INDEXES)}, reference, digest
            )

        return self._first_good(reference, read)

    def _document(
        self, transport: Transport, path: str, headers: Dict[str, str], reference: Reference, digest: str
    ) -> bytes:
        data, answer = self._small(transport, path, headers, reference)
        stated = digest or answer.headers.get("Docker-Content-Digest", "")
        if is_digest(stated) and _sha256(data) != stated:
            raise CorruptImage(
                f"registry {transport.host} sends something else than {stated} for image {reference.text}"
            )
        return data

    def _small(
        self, transport: Transport, path: str, headers: Dict[str, str], reference: Reference
    ) -> Tuple[bytes, Answer]:
        for attempt in range(transport.patience.tries):
            answer = transport.get(path, scope_of(reference), headers)
            if answer.status != 200:
                answer.body.close()
                raise ImageMissing(f"image {reference.text} does not exist (registry {transport.host})")
            try:
                with answer.body as body:
                    data = body.read(_LARGEST_DOCUMENT + 1)
            except CONNECTION_ERRORS:
                transport.wait(attempt)
                continue
            if len(data) > _LARGEST_DOCUMENT:
                raise CorruptImage(
                    f"the manifest of image {reference.text} is larger than {_LARGEST_DOCUMENT} bytes"
                )
            stated = answer.headers.get("Content-Length")
            if stated is None or len(data) == int(stated):
                return data, answer
            transport.wait(attempt)
        raise RegistryDown(f"registry {transport.host} breaks off in the middle of a manifest")


def _address(host: str) -> str:
    if host == DOCKER_HUB:
        return "https://registry-1.docker.io"
    name = urllib.parse.urlsplit("//" + host).hostname or ""
    return ("http://" if is_loopback(name) else "https://") + host


def _netloc(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_document(raw: bytes, reference: Reference) -> Dict[str, Any]:
    """A manifest or index, parsed. Raises CorruptImage."""
    try:
        document = json.loads(raw.decode("utf-8"))
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise CorruptImage(f"the manifest of image {reference.text} is not JSON")
    if document.get("schemaVersion") != 2:
        raise CorruptImage(f"image {reference.text} has a manifest of the old schema 1: push it again")
    return document


def is_index(document: Dict[str, Any]) -> bool:
    """Whether a document lists the images of several platforms."""
    return document.get("mediaType") in _INDEXES or "manifests" in document


def choose_platform(index: Dict[str, Any], wanted: str, reference: Reference) -> str:
    """The digest of the platform's manifest: the first that fits, as containerd and Docker do."""
    system, _, rest = wanted.partition("/")
    architecture, _, variant = rest.partition("/")
    offered = []
    for entry in index.get("manifests") or ():
        found = entry.get("platform") or {}
        offered.append(
            "/".join(filter(None, (found.get("os"), found.get("architecture"), found.get("variant"))))
        )
        fits = (found.get("os"), found.get("architecture")) == (system, architecture)
        if (
            fits
            and (not variant or found.get("variant") in (None, variant))
            and is_digest(entry.get("digest", ""))
        ):
            return str(entry["digest"])
    there = ", ".join(sorted(set(offered) - {"unknown/unknown"})) or "nothing"
    raise ImageMissing(f"image {reference.text} does not exist for {wanted}: there is {there}")


def read_image(reference: Reference, raw: bytes, document: Dict[str, Any]) -> Resolved:
    """The image that a manifest describes. Raises CorruptImage."""
    try:
        config, layers = _blob(document["config"]), [_blob(layer) for layer in document["layers"]]
    except (KeyError, TypeError, ValueError):
        raise CorruptImage(
            f"the manifest of image {reference.text} is not that of a container image"
        ) from None
    return Resolved(reference, _sha256(raw), raw, config, layers)


def _blob(entry: Dict[str, Any]) -> Blob:
    if not is_digest(entry["digest"]):
        raise ValueError(entry["digest"])
    return Blob(entry["digest"], int(entry["size"]), str(entry.get("mediaType", "")))
