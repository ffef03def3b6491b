"""A copy of the report where the results are: should the back-end lose the first one.

It also tells whether this manifest was carried out before: DIRAC starts a job again when it has lost sight of
it, and a second run must not write over what the first one has delivered.
"""

import os
from typing import List, Optional
from urllib.parse import urlsplit

from wrappers import wire
from wrappers.node import reports
from wrappers.node.failure import CarriedOut
from wrappers.node.files import replace_bytes
from wrappers.node.names import file_path
from wrappers.node.remote_results import SANDBOX, below
from wrappers.transfer.errors import TransferError
from wrappers.transfer.moving import Mover
from wrappers.transfer.part import Expected, Part
from wrappers.transfer.source import FileSource

_SENDING = wire.Transfers(parallel=1, rounds=1, stall=20.0, budget=60.0)
_LOOKING = wire.Transfers(parallel=1, rounds=1, stall=10.0, budget=20.0)


def check(manifest: wire.Manifest, node: wire.Node, into: str, claim: str) -> None:
    """Look for the report of an earlier run. A destination that does not answer has none.

    Raises:
        CarriedOut: there is one.
    """
    path = os.path.join(into, manifest.attempt + ".earlier")
    try:
        for url in _urls(manifest, into):
            report = _fetched(url, path, manifest, node, claim)
            if report is not None:
                raise CarriedOut(report)
    finally:
        if os.path.lexists(path):
            os.unlink(path)


def _fetched(
    url: str, path: str, manifest: wire.Manifest, node: wire.Node, claim: str
) -> Optional[wire.Report]:
    try:
        with Mover(_LOOKING, node.authorities, manifest.exchange, claim) as mover:
            with Part(path, Expected()) as part:
                mover.fetch([url], part, [])
        with open(path, "rb") as text:
            report = wire.loads(wire.Report, text.read())
    except (OSError, ValueError, TransferError):
        return None
    return report if report.manifest_sha256 == reports.manifest_sha256(manifest) else None


def _urls(manifest: wire.Manifest, into: str) -> List[str]:
    """Return where it may be, in the order of the attempt's destinations."""
    name = os.path.basename(reports.path(manifest.attempt, into))
    named = (manifest.outputs_to, *manifest.outputs_also)
    return [below(destination, name) for destination in named if destination != SANDBOX]


def apart(manifest: wire.Manifest, run: str) -> wire.Manifest:
    """Return this manifest with a directory of this name below each of the attempt's own destinations."""

    def own(destination: str) -> str:
        return destination if destination == SANDBOX else below(destination, run)

    return manifest._replace(
        outputs_to=own(manifest.outputs_to),
        outputs_also=[own(destination) for destination in manifest.outputs_also],
    )


def send(manifest: wire.Manifest, node: wire.Node, into: str, claim: str) -> None:
    """Bring it to the first of the attempt's own destinations that takes it: one try each, and no word of it
    when none does.
    """
    urls = _urls(manifest, into)
    try:
        if urls and urlsplit(urls[0]).scheme == "file":
            path = file_path(urls[0])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(reports.path(manifest.attempt, into), "rb") as report:
                replace_bytes(path, report.read())
        elif urls:
            _upload(urls, manifest, node, into, claim)
    except (OSError, ValueError, TransferError):
        pass  # the first one is on its way


def _upload(urls: List[str], manifest: wire.Manifest, node: wire.Node, into: str, claim: str) -> None:
    ours = manifest.transfers
    sending = _SENDING._replace(elements=ours.elements, failover=ours.failover)
    with Mover(sending, node.authorities, manifest.exchange, claim) as mover:
        mover.prepare(urls, "PUT")
        mover.store(urls, FileSource(reports.path(manifest.attempt, into)), [])
