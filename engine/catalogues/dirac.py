"""The DIRAC File Catalog, asked through the DIRAC client of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.dirac.client import DiracBridge, DiracRefused
from engine.dirac.names import url_of
from engine.domain.catalogue import CatalogueEntry
from engine.errors import NotFound, Unavailable

PAGE = 500
"""Names of one question."""
_TIMEOUT_S = 300.0
"""Seconds for one: a catalogue with millions of files takes its time."""


class DiracCatalogue:
    """`engine.ports.Catalogue` on `dfc:`. What is stored at `lfn:` is registered by that."""

    def __init__(self, bridge: DiracBridge) -> None:
        self._bridge = bridge

    def lookup(self, names: Sequence[str]) -> Mapping[str, CatalogueEntry]:
        """Look these names up: URLs that anybody can use first, then the name itself, for those who have a
        DIRAC client.
        """
        found: dict[str, CatalogueEntry] = {}
        for some in _pages(names):
            for name, facts in self._ask("lookup", names=some).items():
                checksums = {"adler32": facts["adler32"]} if facts["adler32"] else {}
                found[name] = CatalogueEntry(name, facts["size"], checksums, (*facts["urls"], url_of(name)))
        return found

    def register(self, entries: Sequence[CatalogueEntry]) -> Mapping[str, str]:
        """Nothing is left to do for what lies at `lfn:`; DIRAC keeps no other storages' files."""
        return {
            one.name: "the DIRAC File Catalog knows only what is stored as lfn:"
            for one in entries
            if not any(url.startswith("lfn:") for url in one.replicas)
        }

    def remove(self, names: Sequence[str]) -> None:
        """Forget these names, not the files."""
        for some in _pages(names):
            self._ask("forget", names=some)

    def list(self, prefix: str) -> Sequence[str]:
        """Names below a logical directory."""
        return sorted(self._below(prefix.rstrip("/") or "/"))

    def _below(self, directory: str) -> Iterator[str]:
        for name, facts in self._ask("entries", name=directory).items():
            path = f"{directory.rstrip('/')}/{name}"
            if facts["directory"]:
                yield from self._below(path)
            else:
                yield path

    def _ask(self, verb: str, **arguments: Any) -> Any:
        try:
            return self._bridge.ask(verb, timeout=_TIMEOUT_S, **arguments)
        except (DiracRefused, NotFound) as error:
            raise Unavailable(f"DIRAC File Catalog: {error}") from None


def _pages(names: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), PAGE):
        yield list(names[start : start + PAGE])
