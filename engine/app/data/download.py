"""Bringing results home: verified, from whichever copy can be had, directories unpacked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path
from typing import Protocol

from engine.errors import BadRequest, EngineError, Unavailable
from engine.ports import Progress
from engine.usecases import ProductView, within_others
from wrappers.containers.tree import remove, remove_all
from wrappers.transfer.errors import TransferError
from wrappers.transfer.tree import unpack

PARALLEL = 1000
"""Results that are looked at together."""


class ResultSource(Protocol):
    """A source of results, as far as they are brought from there: a storage, or a platform."""

    def get(self, url: str, into: Path, progress: Progress | None = None) -> None:
        """Bring a file, or a directory with all it holds, here: see `engine.ports.Storage`."""


class Downloads:
    """The downloads of results of one execution into a directory."""

    def __init__(
        self,
        storage: Callable[[str], ResultSource],
        copies: Mapping[str, Sequence[str]],
        into: Path,
        progress: Progress | None = None,
    ) -> None:
        """Take the storages and the target. `copies` are further URLs by the name of the result."""
        self._storage = storage
        self._copies = copies
        self._into = into
        self._progress = progress

    def download_all(self, products: Iterable[ProductView], parallel: int) -> Iterator[ProductView]:
        """Bring these, several at a time; gives each when it is there. What is there already is left alone.

        Raises:
            EngineError: one could not be had; the others were brought.
        """
        trouble: EngineError | None = None
        left = iter(products)
        with ThreadPoolExecutor(parallel) as pool:
            while some := list(islice(left, PARALLEL)):
                within = _within(some)
                wanted = [one for one in some if (one.job, one.name) not in within]
                problems = dict(zip(wanted, pool.map(self._try, wanted), strict=True))
                for product in some:
                    problem = problems.get(product)
                    if problem is None and (product in problems or self._is_here(product)):
                        yield product
                    trouble = trouble or problem
        if trouble is not None:
            raise trouble

    def _is_here(self, product: ProductView) -> bool:
        """Say whether it came with the directory in which it lies."""
        return os.path.lexists(self._into / product.name)

    def _try(self, product: ProductView) -> EngineError | None:
        try:
            self._download(product)
        except EngineError as error:
            return error
        except OSError as error:
            return Unavailable(f"{error.filename or self._into}: {error.strerror}")
        return None

    def _download(self, product: ProductView) -> None:
        target = self._into / product.name
        if target.is_file() and target.stat().st_size == product.size and _sha256(target) == product.sha256:
            return None
        trouble: EngineError | None = None
        for url in (product.url, *self._copies.get(product.name, ())):
            try:
                return self._get(product, url, target)
            except EngineError as error:
                trouble = trouble or error
        raise trouble or Unavailable(f"{product.name} is nowhere")

    def _get(self, product: ProductView, url: str, target: Path) -> None:
        if product.directory and not product.packed:
            self._storage(url).get(url, target, self._progress)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{product.sha256}.part")
        try:
            self._storage(url).get(url, part, self._progress)
            if (found := _sha256(part)) != product.sha256:
                raise BadRequest(f"{url} has sha256 {found}, and not that of the result, {product.sha256}")
            if product.packed:
                _unpack(part, target)
            else:
                os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


def _within(some: Sequence[ProductView]) -> set[tuple[int, str]]:
    """Job and name of those that lie in a directory which is brought too."""
    return {
        (job, name)
        for job, of_job in groupby(some, lambda one: one.job)
        for name in within_others(list(of_job))
    }


def _unpack(packed: Path, target: Path) -> None:
    """Unpack beside the target first: it is there as a whole, or as it was."""
    part = target.with_name(f"{packed.name}.d")
    try:
        unpack(str(packed), str(part))
        if target.is_dir():
            remove_all(target)
        part.rename(target)
    except TransferError as error:
        raise BadRequest(f"{target}: {error}") from None
    finally:
        remove(part)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
