"""A client of container registries (distribution API v2): names to digests, verified bytes to files.

Nothing is believed: manifests, configurations and layers are all checked against the digest that names them.
For each registry host there may be mirrors; they are asked in order before the host itself, and one that is
down, lacks the image or sends wrong bytes only costs the time to ask the next.
"""

import time
import urllib.parse
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

from wrappers.containers.blobs import Blob, fetch, scope_of
from wrappers.containers.credentials import Logins
from wrappers.containers.errors import (
    AccessDenied,
    CorruptImage,
    ImageMissing,
    RegistryDown,
)
from wrappers.containers.manifests import (
    INDEXES,
    MANIFESTS,
    Resolved,
    choose_platform,
    is_index,
    read_document,
    read_image,
    sha256_of,
)
from wrappers.containers.platforms import platform
from wrappers.containers.reference import DOCKER_HUB, Reference, is_digest
from wrappers.containers.transport import RetryBudget, Transport
from wrappers.transfer.errors import Permanent, Transient
from wrappers.transfer.proxies import is_loopback
from wrappers.transfer.response import Response
from wrappers.transfer.trust import Trust

_LARGEST_DOCUMENT = 16 << 20  # bytes; the specification asks registries to take manifests of 4 MiB
_T = TypeVar("_T")


class RegistryClient:
    """A reader of images from registries and their mirrors. Cheap to make; threads may share one."""

    def __init__(
        self,
        mirrors: Optional[Mapping[str, Sequence[str]]] = None,
        logins: Optional[Logins] = None,
        retry_budget: RetryBudget = RetryBudget(),  # noqa: B008 - immutable
        sleep: Callable[[float], None] = time.sleep,
        authorities: str = "",
    ) -> None:
        """Take mirrors and logins. `authorities`: certificate authorities that are trusted besides the
        system's (`Trust`).
        """
        self._mirrors = mirrors or {}
        self._logins = logins or Logins()
        self._trust = Trust(authorities)
        self._retry_budget = retry_budget
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
        """Read the image's configuration, verified. Raises like `resolve`."""

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
        the file. Returns the bytes received. Raises like `resolve`, and UnsuitableNode when the file
        cannot be written.
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
        """Return how to reach an image: through the mirrors of its registry in order, and last by itself."""
        host, repository = repository_key = reference.host, reference.repository
        if repository_key not in self._transports:
            # a mirror is an optimisation: little patience, and never the registry's credentials
            quick = self._retry_budget._replace(tries=min(2, self._retry_budget.tries))
            ways = [
                Transport(url, self._logins.find(_netloc(url), repository), quick, self._sleep, self._trust)
                for url in self._mirrors.get(host, ())
            ]
            login = self._logins.find(host, repository)
            ways.append(Transport(_address(host), login, self._retry_budget, self._sleep, self._trust))
            self._transports[repository_key] = ways
        return self._transports[repository_key]

    def _manifest(self, reference: Reference, name: str) -> bytes:
        digest = name if is_digest(name) else ""

        def read(transport: Transport) -> bytes:
            path = f"/v2/{reference.repository}/manifests/{name}"
            return self._document(
                transport, path, {"Accept": ", ".join(MANIFESTS + INDEXES)}, reference, digest
            )

        return self._first_good(reference, read)

    def _document(
        self, transport: Transport, path: str, headers: Dict[str, str], reference: Reference, digest: str
    ) -> bytes:
        data, answer = self._small(transport, path, headers, reference)
        stated = digest or answer.headers.get("docker-content-digest", "")
        if is_digest(stated) and sha256_of(data) != stated:
            raise CorruptImage(
                f"registry {transport.host} sends something else than {stated} for image {reference.text}"
            )
        return data

    def _small(
        self, transport: Transport, path: str, headers: Dict[str, str], reference: Reference
    ) -> Tuple[bytes, Response]:
        for attempt in range(transport.retry_budget.tries):
            answer = transport.get(path, scope_of(reference), headers)
            if answer.status != 200:
                answer.close()
                raise ImageMissing(f"image {reference.text} does not exist (registry {transport.host})")
            try:
                with answer:
                    return answer.read(_LARGEST_DOCUMENT), answer
            except Transient:
                transport.wait(attempt)
            except Permanent as error:
                raise CorruptImage(f"the manifest of image {reference.text}: {error}") from None
        raise RegistryDown(f"registry {transport.host} breaks off in the middle of a manifest")


def _address(host: str) -> str:
    if host == DOCKER_HUB:
        return "https://registry-1.docker.io"
    name = urllib.parse.urlsplit("//" + host).hostname or ""
    return ("http://" if is_loopback(name) else "https://") + host


def _netloc(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc
