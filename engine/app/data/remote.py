"""Files that are not on this machine: looked at once, several at a time, before anything is submitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from engine.app.data.locations import aliases_of
from engine.domain.catalogue import CatalogueEntry, name_of
from engine.errors import BadRequest, NotFound
from engine.ports import Catalogue, Storage
from engine.settings.data import StorageSection
from engine.store.sources import ExecutionSource

_MANY = 100_000
"""Files whose sizes are kept in memory; those before are looked at again when they come again."""


class Remote:
    """Knows the files behind URLs."""

    def __init__(
        self,
        storage: Callable[[str], Storage],
        catalogues: Sequence[Catalogue],
        storages: Mapping[str, StorageSection],
        parallel: int,
    ) -> None:
        """`catalogues` are asked in order for logical names."""
        self._storage = storage
        self._catalogues = catalogues
        self._storages = storages
        self._parallel = parallel
        self._known: dict[str, ExecutionSource | str] = {}

    def prefetch(self, urls: Iterable[str]) -> None:
        """Look at these at a time; what is wrong with them is told when they are asked for.

        Raises:
            Unavailable, CredentialExpired: a storage cannot say.
        """
        new = [url for url in dict.fromkeys(urls) if url not in self._known]
        if len(self._known) + len(new) > _MANY:
            self._known.clear()
        logical = {url: name for url in new if (name := name_of(url))}
        if logical:
            self._known.update(self._catalogued(logical))
        new = [url for url in new if url not in logical]
        if len(new) > 1:
            with ThreadPoolExecutor(min(self._parallel, len(new))) as pool:
                self._known.update(zip(new, pool.map(self._look, new), strict=True))
        elif new:
            self._known[new[0]] = self._look(new[0])

    def source(self, url: str) -> ExecutionSource:
        """Find the file of a URL, which every replica of its storage has too, or of a logical name.

        Raises:
            BadRequest: there is none, or it cannot be used.
            Unavailable, CredentialExpired: its storage or catalogue cannot say.
        """
        self.prefetch([url])
        found = self._known[url]
        if isinstance(found, str):
            raise BadRequest(found)
        return found

    def _catalogued(self, logical: Mapping[str, str]) -> dict[str, ExecutionSource | str]:
        """Ask the first catalogue that knows a name."""
        entries: dict[str, CatalogueEntry] = {}
        for catalogue in self._catalogues:
            if wanted := [name for name in logical.values() if name not in entries]:
                entries.update(catalogue.lookup(wanted))
        return {url: self._of_entry(url, entries.get(name)) for url, name in logical.items()}

    def _of_entry(self, url: str, entry: CatalogueEntry | None) -> ExecutionSource | str:
        if entry is None or not entry.replicas:
            return f"{url}: no catalogue knows this file"
        every = [alias for one in entry.replicas for alias in (one, *aliases_of(one, self._storages))]
        first, *others = dict.fromkeys(every)
        return ExecutionSource(url, first, tuple(others), entry.checksums, entry.size)

    def _look(self, url: str) -> ExecutionSource | str:
        try:
            storage = self._storage(url)
            if not storage.capabilities.tells:
                return ExecutionSource(url, url, (), {}, None)
            found = storage.stat(url)
        except (BadRequest, NotFound) as error:
            return str(error)
        if found is None:
            return f"{url}: there is no such file"
        if found.directory:
            return f"{url}: is a directory; name its files, or a tar of it"
        checksums = {**found.checksums, **({"sha256": found.sha256} if found.sha256 else {})}
        return ExecutionSource(url, url, tuple(aliases_of(url, self._storages)), checksums, found.size)
