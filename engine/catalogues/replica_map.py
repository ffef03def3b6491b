"""A catalogue in one file, a ReplicaMap: for a group that shares a disk, and where no service is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.app.data.replica_map import dumps, loads
from engine.domain.catalogue import CatalogueEntry, below, merged, same_content
from engine.errors import Unavailable


class ReplicaMapCatalogue:
    """`engine.ports.Catalogue` on `replica-map:///path/to/map.json`."""

    def __init__(self, url: str) -> None:
        self._path = Path(unquote(urlsplit(url).path))

    def lookup(self, names: Sequence[str]) -> Mapping[str, CatalogueEntry]:
        """Look these names up."""
        known = self._read()
        return {name: known[name] for name in names if name in known}

    def register(self, entries: Sequence[CatalogueEntry]) -> Mapping[str, str]:
        """Make these known; another content under a known name is refused."""
        problems: dict[str, str] = {}
        with self._changing() as known:
            for one in entries:
                earlier = known.get(one.name)
                if earlier and not same_content(earlier, one):
                    problems[one.name] = "another file has this name"
                else:
                    known[one.name] = merged(earlier, one) if earlier else one
        return problems

    def remove(self, names: Sequence[str]) -> None:
        """Forget these names."""
        with self._changing() as known:
            for name in names:
                known.pop(name, None)

    def list(self, prefix: str) -> Sequence[str]:
        """Names below a logical directory."""
        return below(self._read(), prefix)

    def _read(self) -> dict[str, CatalogueEntry]:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._error(error) from None
        return {one.name: one for one in loads(text, str(self._path))}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, CatalogueEntry]]:
        """Give the entries, and write them back as a whole; others who change them wait."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(f"{self._path}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                known = self._read()
                yield known
                part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
                part.write_text(dumps(known.values()))
                os.replace(part, self._path)
        except OSError as error:
            raise self._error(error) from None

    def _error(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"catalogue {self._path}: {error.strerror}", remedy="see that this user may write there"
        )
