"""Results for storages: several at a time, by one destination after the other, at last beside the report."""

import io
import os
import random
import tarfile
from functools import partial
from typing import List, Optional, Tuple
from urllib.parse import quote

from wrappers import wire
from wrappers.node.failure import AttemptFailed, from_os
from wrappers.node.files import ListedTree
from wrappers.node.names import portable
from wrappers.node.outputs import OutputMatch
from wrappers.transfer import pool
from wrappers.transfer.errors import OutOfTime, TransferError
from wrappers.transfer.moving import Mover, Stored
from wrappers.transfer.rounds import Exhausted
from wrappers.transfer.source import FileSource, Source
from wrappers.transfer.tree import SUFFIX, TarSource

SANDBOX = wire.SANDBOX
PACKED_RESULTS = ".results.tar"
_LONGEST_WAIT_S = 60.0  # seconds between two series of rounds, once no destination took a file
_MOST_TRIES = 100  # that are told of one file


class _RemoteResult:
    """A result on its way."""

    def __init__(self, name: str, source: Source, packed: bool) -> None:
        self.name = portable(name) + (SUFFIX if packed else "")
        self.source = source
        self.packed = packed
        self.tried: List[wire.Tried] = []
        self.stored: Optional[Stored] = None
        self.error = ""
        self.hopeless = False

    def urls(self, destinations: List[str]) -> List[str]:
        return [below(destination, self.name) for destination in destinations]


def deliver(
    found: List[Tuple[OutputMatch, Optional[ListedTree]]],
    manifest: wire.Manifest,
    node: wire.Node,
    into: str,
    claim: str,
    trouble: Optional[AttemptFailed] = None,
) -> Tuple[List[wire.DeliveredOutput], List[str]]:
    """Bring results to storages; directories go as the tar of them. `trouble` is why `outputs_to` is out of
    the question already.

    Gives the products and a sentence for everything inside directories that was left out.

    Raises:
        Failure: (output) no destination takes one of them, within the time for all of them.
    """
    left_out = [f"{portable(one.name)}/{line}" for one, tree in found if tree for line in tree.left_out]
    try:
        items = {one.name: _item(one, tree) for one, tree in found}
        first = [] if trouble else [manifest.outputs_to]
        named = [*first, *manifest.outputs_also]
        destinations = [destination for destination in named if destination != SANDBOX]
        box = _Sandbox(manifest, node, into) if SANDBOX in named else None
        with Mover(manifest.transfers, node.authorities, manifest.exchange, claim) as mover:
            _Delivery(mover, destinations, box).carry_out(list(items.values()))
    except OSError as error:
        raise from_os(error, wire.OUTPUT, "reading results") from None
    except TransferError as error:
        raise AttemptFailed(wire.OUTPUT, f"results: {error}") from None
    return [_product(one, items[one.name]) for one, _ in found], left_out


def below(destination: str, name: str) -> str:
    """Return the URL of a result at a destination."""
    path = quote(name, errors="surrogateescape")
    return destination + path if destination == SANDBOX else f"{destination.rstrip('/')}/{path}"


def _item(one: OutputMatch, tree: Optional[ListedTree]) -> _RemoteResult:
    if tree is None:
        return _RemoteResult(one.name, FileSource(one.real), False)
    source = TarSource(tree.directories, [(file.name, file.path) for file in tree.files])
    return _RemoteResult(one.name, source, True)


def _product(one: OutputMatch, item: _RemoteResult) -> wire.DeliveredOutput:
    assert item.stored is not None  # noqa: S101 - or the delivery had failed
    sums = item.source.sums()
    return wire.DeliveredOutput(
        one.id,
        portable(one.name),
        item.stored.url,
        item.source.size,
        sums["sha256"],
        directory=one.directory,
        packed=item.packed,
        adler32=sums["adler32"],
        verified=item.stored.verified,
        tried=item.tried[-_MOST_TRIES:],
    )


class _Sandbox:
    """The directory beside the report."""

    def __init__(self, manifest: wire.Manifest, node: wire.Node, into: str) -> None:
        self._path = os.path.join(into, manifest.attempt + PACKED_RESULTS)
        wanted = manifest.transfers.sandbox
        self._limit = wanted if node.sandbox is None else min(wanted, node.sandbox // 2)

    def takes(self, items: List[_RemoteResult]) -> bool:
        """Say whether all of these fit."""
        return sum(item.source.size for item in items) <= self._limit

    def put(self, items: List[_RemoteResult]) -> None:
        """Write them, all or none.

        Raises:
            OSError: the disk is full.
        """
        temporary = self._path + ".part"
        try:
            with tarfile.open(
                temporary, "w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
            ) as packed:
                for item in items:
                    entry = tarfile.TarInfo(item.name)
                    entry.size = item.source.size
                    packed.addfile(entry, io.BytesIO(b"".join(map(bytes, item.source.pieces()))))
            os.rename(temporary, self._path)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
        for item in items:
            item.stored = Stored(below(SANDBOX, item.name), "size")


class _Delivery:
    """A delivery of results to the first destination that takes each, which waits when none does."""

    def __init__(self, mover: Mover, destinations: List[str], box: Optional[_Sandbox]) -> None:
        self._mover = mover
        self._destinations = destinations
        self._box = box

    def carry_out(self, items: List[_RemoteResult]) -> None:
        """Deliver all.

        Raises:
            Failure: (output) one is taken nowhere.
        """
        if self._destinations:
            self._mover.prepare([url for item in items for url in item.urls(self._destinations)], "PUT")
        pending = items
        while True:
            tasks = [partial(self._try, item) for item in pending]
            pool.run(tasks, self._mover.parallel, self._mover.stop)
            pending = [item for item in pending if item.stored is None]
            if not pending:
                return
            if self._box is not None and self._box.takes(pending):
                self._box.put(pending)
                return
            self._wait(pending)

    def _try(self, item: _RemoteResult) -> None:
        try:
            item.stored = self._mover.store(item.urls(self._destinations), item.source, item.tried)
        except TransferError as error:
            item.error = str(error)
            item.hopeless = isinstance(error, OutOfTime) or (isinstance(error, Exhausted) and error.hopeless)

    def _wait(self, pending: List[_RemoteResult]) -> None:
        """Wait a while before all destinations are tried again: what a tool has computed is worth it."""
        hopeless = [item for item in pending if item.hopeless]
        if not hopeless:
            try:
                self._mover.budget.pause(random.uniform(_LONGEST_WAIT_S / 2, _LONGEST_WAIT_S))  # noqa: S311
                return
            except OutOfTime as error:
                pending[0].error += f"; {error}"
        worst = (hopeless or pending)[0]
        tried = [one for item in pending for one in item.tried[-_MOST_TRIES:]][:_MOST_TRIES]
        raise AttemptFailed(wire.OUTPUT, f"result {worst.name} is taken nowhere: {worst.error}", tried)
