"""Images of container registries."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from cvmfs_deploy.settings import Settings
from wrappers.containers import credentials
from wrappers.containers.blobs import Blob, scope_of
from wrappers.containers.errors import ImageMissing, RegistryDown
from wrappers.containers.reference import Reference
from wrappers.containers.registry import Client, Resolved
from wrappers.containers.transport import CONNECTION_ERRORS, Patience, reason

_LARGEST_LIST = 8 << 20  # bytes of one page of tags
_MOST_PAGES = 1000


class RegistrySource:
    """Registries and their mirrors, by the names of images."""

    name = "registry"

    def __init__(self, settings: Settings, patience: Patience | None = None) -> None:
        logins = credentials.load(settings.credentials)
        self._client = Client(settings.mirrors, logins, patience or Patience(tries=4))

    def resolve(self, reference: Reference, platform: str) -> Resolved:
        """Ask for the manifest of the platform."""
        return self._client.resolve(reference, platform)

    def config(self, image: Resolved) -> bytes:
        """Fetch the configuration."""
        return self._client.config(image)

    def fetch(self, image: Resolved, blob: Blob, into: Path, heard: Callable[[], None]) -> int:
        """Fetch a layer; goes on where an earlier transfer into the same file ended."""

        def wanted() -> bool:
            heard()
            return True

        return self._client.fetch(image.reference, blob, into, wanted, resume=True)

    def tags(self, reference: Reference) -> list[str]:
        """All tags of a repository, from the registry itself: a mirror knows only some.

        Raises:
            ImageMissing: there is no such repository.
            AccessDenied, RegistryDown: see `Transport.get`.
        """
        transport = self._client.ways_to(reference.host)[-1]
        path = f"/v2/{reference.repository}/tags/list?n=1000"
        found: list[str] = []
        for _ in range(_MOST_PAGES):
            answer = transport.get(path, scope_of(reference))
            with answer.body as body:
                if answer.status != 200:
                    name = f"{reference.host}/{reference.repository}"
                    raise ImageMissing(f"image {name} does not exist (registry {transport.host})")
                try:
                    found += json.loads(body.read(_LARGEST_LIST))["tags"] or []
                except CONNECTION_ERRORS as error:
                    raise RegistryDown(f"registry {transport.host} breaks off: {reason(error)}") from None
                except (ValueError, KeyError, TypeError):
                    raise RegistryDown(f"registry {transport.host} sends no list of tags") from None
            following = _next(answer.headers.get("Link", ""))
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
