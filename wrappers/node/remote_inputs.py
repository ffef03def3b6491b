"""Inputs that lie elsewhere, or at several storages: fetched several at a time, through the node's cache."""

import os
from typing import Dict, List, Optional, Tuple

from wrappers import wire
from wrappers.containers.timed import responds
from wrappers.node import files
from wrappers.node.failure import AttemptFailed, from_os
from wrappers.node.names import native
from wrappers.transfer import pool
from wrappers.transfer.cache import InputCache
from wrappers.transfer.errors import TransferError
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.tree import unpack


def fetch(
    inputs: List[wire.Input],
    targets: Dict[str, str],
    scratch: str,
    manifest: wire.Manifest,
    node: wire.Node,
    claim: str,
) -> List[Tuple[wire.Staged, Dict[str, str]]]:
    """Fetch and verify inputs; `targets` are paths by their names, in directories that are there. In the
    directory `scratch` tars lie until they are unpacked. Gives with each the sha256 of its files, by name.

    Raises:
        Failure: (input) one cannot be had or is not what the manifest says; (node) the disk is full.
    """
    with Mover(manifest.transfers, node.authorities, manifest.exchange, claim) as mover:
        usable = node.inputs and responds(node.inputs)  # without it, they are fetched for this job alone
        cache = InputCache(node.inputs, node.inputs_size) if usable else None
        urls = [url for wanted in inputs for url in [wanted.url, *wanted.replicas]]
        try:
            mover.prepare(urls, "GET")
        except TransferError as error:
            raise AttemptFailed("input-transfer", f"inputs: {error}") from None
        tasks = [
            _Fetch(
                mover, cache, wanted, targets[wanted.name], os.path.join(scratch, f"input-{number}.tar")
            ).run
            for number, wanted in enumerate(inputs)
        ]
        return pool.run(tasks, mover.parallel, mover.stop)


class _Fetch:
    """An input on its way."""

    def __init__(
        self, mover: Mover, cache: Optional[InputCache], wanted: wire.Input, target: str, scratch: str
    ) -> None:
        self._mover = mover
        self._cache = cache
        self._wanted = wanted
        self._target = target
        self._scratch = scratch
        self._urls = [wanted.url, *wanted.replicas]
        self._expected = Expected(wanted.size, expected_sums(wanted))
        self._tried: List[wire.Tried] = []
        self._received = 0
        self._origin = wanted.url

    def run(self) -> Tuple[wire.Staged, Dict[str, str]]:
        """Fetch it."""
        wanted = self._wanted
        try:
            if wanted.packed:
                return self._unpacked()
            staged = self._fetched(self._target)
            return staged, {native(wanted.name): staged.sha256}
        except TransferError as error:
            raise AttemptFailed("input-transfer", f"input {wanted.id}: {error}", self._tried) from None
        except OSError as error:
            failure = from_os(error, wire.INPUT, f"fetching input {wanted.id} from {wanted.url}")
            failure.tried = self._tried
            raise failure from None

    def _unpacked(self) -> Tuple[wire.Staged, Dict[str, str]]:
        # Verified before it is unpacked: what a flipped bit makes of a tar should not reach the disk.
        packed = self._scratch
        try:
            staged = self._fetched(packed)
            held = unpack(packed, self._target)
        finally:
            if os.path.lexists(packed):
                os.unlink(packed)
        return staged._replace(size=held.size, sha256=held.sha256()), held.below(native(self._wanted.name))

    def _fetched(self, target: str) -> wire.Staged:
        if self._cache is not None and self._cache.takes(self._expected, self._urls):
            try:
                taken = self._cache.take(self._expected, self._urls, target, self._download)
                return self._staged(taken.size, taken.sha256, taken.hit)
            except OSError:  # a full or forbidden cache is no reason to fail
                files.remove_any(target)
        sums = self._download(target)
        return self._staged(os.path.getsize(target), sums["sha256"], False)

    def _download(self, path: str) -> Dict[str, str]:
        with Part(path, self._expected) as part:
            try:
                fetched = self._mover.fetch(self._urls, part, self._tried)
            finally:
                self._received += part.received
        self._origin = fetched.url
        return fetched.sums

    def _staged(self, size: int, sha256: str, cached: bool) -> wire.Staged:
        wanted = self._wanted
        return wire.Staged(
            wanted.id, self._origin, wanted.name, size, sha256, cached, self._received, self._tried
        )


def expected_sums(wanted: wire.Input) -> Dict[str, str]:
    """Return the checksums that a manifest gives for an input."""
    given = {"sha256": wanted.sha256, "adler32": wanted.adler32, "md5": wanted.md5}
    return {name: value.lower() for name, value in given.items() if value}
