"""Looking whether results are still where they were put, and making good what is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from engine.domain.product import ProductState
from engine.errors import BadRequest, CredentialExpired, NotFound, Unavailable
from engine.ids import ExecutionId
from engine.ports import Storage
from engine.store import products, replicas
from engine.store.database import Database
from engine.store.products import Product
from engine.usecases import CheckedView, ResultHealth


def check(
    db: Database,
    storage: Callable[[str], Storage],
    id_: ExecutionId,
    *,
    deep: bool,
    parallel: int,
    after: int,
    limit: int,
) -> tuple[list[CheckedView], int | None]:
    """Look for some results of an execution, those after a number; `deep` compares checksums too, which may
    mean reading them. Also gives the number after which the next ones come; None: there are no more.

    What is lost is noted, and what has a copy is taken from it from then on.
    """
    with db.read() as connection:
        some = products.page(connection, id_, after=after, limit=limit)
        copies = replicas.of_execution(connection, id_)
    checked = []
    with ThreadPoolExecutor(parallel) as pool:
        look = partial(_look, storage, deep)
        found = pool.map(lambda row: look(row[1], copies.get(row[1].name, ())), some)
        for (_, one), (health, url) in zip(some, found, strict=True):
            if health != ResultHealth.UNKNOWN:
                _note(db, one, health, url)
            checked.append(CheckedView(one.job_number, one.name, url, health))
    return checked, some[-1][0] if len(some) == limit else None


def _look(
    storage: Callable[[str], Storage], deep: bool, one: Product, copies: Sequence[str]
) -> tuple[ResultHealth, str]:
    down = False
    for url in (one.url, *copies):
        try:
            if _is_there(storage(url), one, url, deep=deep):
                return (ResultHealth.GOOD if url == one.url else ResultHealth.FROM_COPY), url
        except (Unavailable, CredentialExpired):
            down = True
    return (ResultHealth.UNKNOWN if down else ResultHealth.LOST), one.url


def _is_there(storage: Storage, one: Product, url: str, *, deep: bool) -> bool:
    try:
        found = storage.stat(url)
        if found is None or found.directory != (one.directory and not one.packed):
            return False
        if found.directory:
            return True
        return found.size == one.size and (not deep or storage.checksum(url) == one.sha256)
    except (BadRequest, NotFound):
        return False


def _note(db: Database, one: Product, health: ResultHealth, url: str) -> None:
    state = ProductState.LOST if health == ResultHealth.LOST else ProductState.AVAILABLE
    if health == ResultHealth.GOOD and one.state != ProductState.LOST:
        return
    with db.write() as connection:
        products.set_state(connection, one, state, url=url)
        if health == ResultHealth.FROM_COPY:
            replicas.exchange(connection, one, copy=url)
