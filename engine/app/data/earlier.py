"""Results of jobs as inputs of those that waited for them: brought to where nodes find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.app.data.locations import aliases_of
from engine.app.data.uploads import ResultUploader, weight
from engine.domain.file_urls import to_path
from engine.ports import Storage
from engine.settings.tree import Settings
from engine.store.executions import Execution
from engine.store.products import Product
from engine.store.sources import ExecutionSource


class EarlierResults:
    """The step that brings results to where other jobs can read them. What is on a storage stays there."""

    def __init__(self, settings: Settings, storage: Callable[[str], Storage]) -> None:
        self._settings = settings
        self._storage = storage

    def __call__(self, execution: Execution, results: Sequence[Product]) -> list[ExecutionSource]:
        """Bring results; give for each where jobs find it. Small ones travel with the jobs.

        Raises:
            BadRequest: no storage is configured, and one is needed.
            Unavailable, CredentialExpired: the storage does not take them.
        """
        once = {one.url: one for one in results}
        here = {url: one for url, one in once.items() if url.startswith("file:")}
        brought: list[ExecutionSource] = []
        if here:
            wanted = [_local(one) for one in here.values()]
            travel = weight(wanted) <= self._settings.data.travelling
            uploader = ResultUploader(
                self._settings, self._storage, results=execution.results if travel else ""
            )
            found = uploader.upload_all(wanted)
            brought = [
                replace(one, value=url, packed=here[url].directory)
                for url, one in zip(here, found, strict=True)
            ]
        return brought + [self._on_storage(one) for url, one in once.items() if url not in here]

    def _on_storage(self, one: Product) -> ExecutionSource:
        sums = {"sha256": one.sha256} | ({"adler32": one.adler32} if one.adler32 else {})
        aliases = tuple(aliases_of(one.url, self._settings.storages))
        return ExecutionSource(one.url, one.url, aliases, sums, one.size, one.packed)


def _local(one: Product) -> ExecutionSource:
    """Describe a result of this machine as something to bring: a directory that is no tar yet becomes one."""
    return ExecutionSource(str(to_path(one.url)), "", packed=one.directory and not one.packed)
