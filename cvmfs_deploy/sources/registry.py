"""Images of container registries: layers pulled by udocker, and by our own client where udocker cannot.

Names, manifests and configurations are always read by our client: udocker keeps no manifest as it was sent,
so that nobody could check it. Each layer is udocker's, except where credentials would be seen by every
account of the machine (it hands them to `curl` on the command line), where an earlier transfer can be taken
up, and where udocker fails: wrong bytes, a cut connection, a registry that is busy.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from cvmfs_deploy import log
from cvmfs_deploy.settings import DeploySettings
from cvmfs_deploy.sources import udocker
from engine.units import size_text
from wrappers.containers import credentials
from wrappers.containers.blobs import Blob, scope_of
from wrappers.containers.errors import ImageMissing, RegistryDown
from wrappers.containers.manifests import Resolved
from wrappers.containers.reference import Reference
from wrappers.containers.registry import RegistryClient
from wrappers.containers.transport import RetryBudget, TransferError

_LARGEST_LIST = 8 << 20  # bytes of one page of tags
_MOST_PAGES = 1000


class RegistrySource:
    """Registries and their mirrors, by the names of images."""

    name = "registry"

    def __init__(self, settings: DeploySettings, retry_budget: RetryBudget | None = None) -> None:
        self._logins = credentials.load(settings.credentials)
        self._client = RegistryClient(
            settings.mirrors,
            self._logins,
            retry_budget or RetryBudget(tries=4),
            authorities=settings.authorities,
        )
        self._puller = settings.puller

    def resolve(self, reference: Reference, platform: str) -> Resolved:
        """Ask for the manifest of the platform."""
        return self._client.resolve(reference, platform)

    def config(self, image: Resolved) -> bytes:
        """Fetch the configuration."""
        return self._client.config(image)

    def fetch(self, image: Resolved, blob: Blob, into: Path, progress: Callable[[int], None]) -> int:
        """Fetch a layer; goes on where an earlier transfer into the same file ended."""
        if self._puller == "udocker" and self._is_for_udocker(image.reference, into):
            base = self._client.ways_to(image.reference)[0].base
            trouble = udocker.fetch(base, image.reference.repository, blob, into, progress)
            if not trouble:
                log.info("layer pulled", by="udocker", digest=blob.digest, size=size_text(blob.size))
                return blob.size
            log.info("udocker did not pull a layer, we do", digest=blob.digest, reason=trouble)

        def wanted() -> bool:
            progress(into.stat().st_size)
            return True

        received = self._client.fetch(image.reference, blob, into, wanted, resume=True)
        log.info("layer pulled", by="own", digest=blob.digest, size=size_text(received))
        return received

    def _is_for_udocker(self, reference: Reference, into: Path) -> bool:
        hosts = {reference.host, *(way.host for way in self._client.ways_to(reference))}
        known = any(self._logins.find(host, reference.repository) for host in hosts)
        return into.stat().st_size == 0 and not known

    def tags(self, reference: Reference) -> list[str]:
        """All tags of a repository, from the registry itself: a mirror knows only some.

        Raises:
            ImageMissing: there is no such repository.
            AccessDenied, RegistryDown: see `Transport.get`.
        """
        transport = self._client.ways_to(reference)[-1]
        path = f"/v2/{reference.repository}/tags/list?n=1000"
        found: list[str] = []
        for _ in range(_MOST_PAGES):
            answer = transport.get(path, scope_of(reference))
            with answer:
                if answer.status != 200:
                    name = f"{reference.host}/{reference.repository}"
                    raise ImageMissing(f"image {name} does not exist (registry {transport.host})")
                try:
                    found += json.loads(answer.read(_LARGEST_LIST))["tags"] or []
                except TransferError as error:
                    raise RegistryDown(f"registry {transport.host} breaks off: {error}") from None
                except (ValueError, KeyError, TypeError):
                    raise RegistryDown(f"registry {transport.host} sends no list of tags") from None
            following = _next(answer.headers.get("link", ""))
            if not following:
                return sorted(set(map(str, found)))
            path = following
        raise RegistryDown(f"registry {transport.host} sends lists of tags without end")


def _next(link: str) -> str:
    """Path and query of the next page, from a Link header (RFC 5988)."""
    target, _, parameters = link.partition(">")
    if 'rel="next"' not in parameters.replace("'", '"'):
        return ""
    parts = urllib.parse.urlsplit(target.lstrip("<"))
    return parts.path + (f"?{parts.query}" if parts.query else "")
