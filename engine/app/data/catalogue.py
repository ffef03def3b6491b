"""The engine's own catalogue: what was imported, and the results of every execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.domain.catalogue import RESULTS, CatalogueEntry, below, checked, merged, same_content
from engine.domain.product import ProductState
from engine.errors import BadRequest
from engine.ids import ExecutionId
from engine.store import catalogue_entries, products, replicas
from engine.store.database import Database
from engine.store.products import Product


class InternalCatalogue:
    """`engine.ports.Catalogue` on the engine's database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def lookup(self, names: Sequence[str]) -> Mapping[str, CatalogueEntry]:
        """Look these names up; those of results are `/executions/<execution>/<name>`."""
        with self._db.read() as connection:
            found = catalogue_entries.get(connection, names)
        return {**found, **self._results(names)}

    def register(self, new: Sequence[CatalogueEntry]) -> Mapping[str, str]:
        """Make these known; another content under a known name is refused."""
        problems: dict[str, str] = {}
        with self._db.write() as connection:
            known = catalogue_entries.get(connection, [one.name for one in new])
            good: dict[str, CatalogueEntry] = {}
            for one in new:
                earlier = good.get(one.name, known.get(one.name))
                try:
                    problem = _problem(one, earlier)
                except BadRequest as error:
                    problem = str(error)
                if problem:
                    problems[one.name] = problem
                else:
                    good[one.name] = merged(earlier, one) if earlier else one
            catalogue_entries.put(connection, list(good.values()))
        return problems

    def remove(self, names: Sequence[str]) -> None:
        """Forget imported names; results stay as long as their executions."""
        with self._db.write() as connection:
            catalogue_entries.remove(connection, names)

    def list(self, prefix: str) -> Sequence[str]:
        """Names below a logical directory."""
        directory = prefix.rstrip("/") + "/"
        with self._db.read() as connection:
            found = catalogue_entries.below(connection, directory)
            if directory.startswith(RESULTS) and (id_ := _parts(directory)[0]):
                copies = products.every(connection, id_)
                found += [name_of(product) for product in copies]
        return below(found, directory)

    def of_execution(self, id_: ExecutionId) -> Sequence[CatalogueEntry]:
        """List the results of an execution."""
        with self._db.read() as connection:
            copies = replicas.of_execution(connection, id_)
            return [entry_of(one, copies.get(one.name, ())) for one in products.every(connection, id_)]

    def _results(self, names: Sequence[str]) -> dict[str, CatalogueEntry]:
        wanted: dict[ExecutionId, list[str]] = {}
        for name in names:
            if name.startswith(RESULTS):
                id_, path = _parts(name)
                wanted.setdefault(id_, []).append(path)
        found: dict[str, CatalogueEntry] = {}
        with self._db.read() as connection:
            for id_, paths in wanted.items():
                copies = replicas.of_execution(connection, id_)
                for one in products.named(connection, id_, paths):
                    if one.state != ProductState.LOST:
                        found[name_of(one)] = entry_of(one, copies.get(one.name, ()))
        return found


def name_of(product: Product) -> str:
    """Return the logical name of a result."""
    return f"{RESULTS}{product.execution_id}/{product.name}"


def entry_of(product: Product, copies: Sequence[str]) -> CatalogueEntry:
    """Make the catalogue entry of a result."""
    checksums = {"sha256": product.sha256, "adler32": product.adler32}
    if product.directory and not product.packed:
        checksums = {}  # that of its listing is nothing that others could compare
    known = {name: value for name, value in checksums.items() if value}
    return CatalogueEntry(name_of(product), product.size, known, (product.url, *copies))


def _problem(one: CatalogueEntry, earlier: CatalogueEntry | None) -> str:
    checked(one.name)
    if one.name.startswith(RESULTS):
        return f"names below {RESULTS} are those of results"
    if not one.replicas:
        return "it has no replica"
    if earlier and not same_content(earlier, one):
        return "another file has this name"
    return ""


def _parts(name: str) -> tuple[ExecutionId, str]:
    id_, _, path = name.removeprefix(RESULTS).partition("/")
    return ExecutionId(id_), path
