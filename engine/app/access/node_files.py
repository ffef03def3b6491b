"""Which files worker nodes can fetch and store: those of schemes that they speak, and those that the engine
presigns for them. Asked while an execution is planned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from engine.app.data.locations import aliases_of
from engine.domain.options import SANDBOX
from engine.errors import BadRequest
from engine.ports import Storage
from engine.settings.data import StorageSection
from engine.store.sources import ExecutionSource

_FETCH = "copy it first to a storage that nodes reach (engine data cp), or to this machine (engine data get)"
_STORE = "keep results on another storage; engine data cp copies them there"


class NodeFiles:
    """The abilities of nodes with URLs."""

    def __init__(self, storage: Callable[[str], Storage], storages: Mapping[str, StorageSection]) -> None:
        self._storage = storage
        self._storages = storages

    def needs_presigning(self, url: str) -> bool:
        """Say whether nodes reach a file only by the URL that its storage presigns, as they do not speak its
        scheme.
        """
        return not _is_spoken(url) and self._is_presigned(url)

    def check_inputs(self, sources: Iterable[ExecutionSource]) -> None:
        """Return if nodes can fetch one replica of each.

        Raises:
            BadRequest: there is one of which they can fetch none.
        """
        for one in sources:
            if not any(_is_spoken(url) or self._is_presigned(url) for url in (one.url, *one.replicas)):
                raise BadRequest(f"{one.value}: {_problem('fetch', one.url)}", remedy=_FETCH)

    def check_source(self, what: str, url: str) -> None:
        """Return if nodes can fetch what lies below a directory; `what` is said of it in an error.

        Raises:
            BadRequest: they cannot.
        """
        if not self._reaches(url):
            raise BadRequest(f"{what}: {_problem('fetch', url)}", remedy="name another storage")

    def check_destinations(self, urls: Sequence[str], replicas: int) -> None:
        """Return if nodes can store at each; at one of them where the engine makes further copies.

        Raises:
            BadRequest: they cannot.
        """
        left = [url for url in urls if not self._reaches(url)]
        if left and (replicas == 1 or len(left) == len(urls)):
            raise BadRequest(f"{left[0]}: {_problem('store', left[0])}", remedy=_STORE)

    def _reaches(self, url: str) -> bool:
        """Say whether nodes can read and write below a directory, by any alias of its storage."""
        return any(
            _is_spoken(one) or ("?" not in one and self._is_presigned(one))
            for one in (url, *aliases_of(url, self._storages))
        )

    def _is_presigned(self, url: str) -> bool:
        try:
            return self._storage(url).capabilities.presign
        except BadRequest:  # nothing here speaks it either
            return False


def _is_spoken(url: str) -> bool:
    """Say whether nodes speak its scheme; what travels with a job, or is still to be brought, has none."""
    from wrappers.transfer.schemes import SCHEMES  # what moves files, which a submit of paths does without

    return not url or url.startswith(SANDBOX) or urlsplit(url).scheme in SCHEMES


def _problem(verb: str, url: str) -> str:
    where = "below a URL with a query" if "?" in url and verb == "store" else f"{urlsplit(url).scheme}: files"
    return f"worker nodes cannot {verb} {where}"
