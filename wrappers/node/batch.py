"""Several attempts, one after the other: a file of manifests, one JSON document a line."""

import json
from functools import partial
from pathlib import Path
from typing import List, NamedTuple, Optional, Union

from wrappers import wire
from wrappers.dirac.job import GridJob
from wrappers.node import reports
from wrappers.node.attempt import run_attempt, silent
from wrappers.node.claims import take
from wrappers.node.host import HostIdentity
from wrappers.node.names import safe_attempt
from wrappers.node.stop import Stop


class UnreadableLine(NamedTuple):
    """A line that is no manifest; the attempt's id could be made out, at least."""

    attempt: str
    why: str


ManifestLine = Union[wire.Manifest, UnreadableLine]


def read(path: str) -> List[ManifestLine]:
    """Read a file of manifests.

    Raises:
        wire.WireError: a line does not even name its attempt.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as lines:
        return [
            _manifest_line(line, f"{path} line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]


def _manifest_line(line: bytes, where: str) -> ManifestLine:
    try:
        manifest = wire.loads(wire.Manifest, line)
        if not safe_attempt(manifest.attempt):
            raise wire.WireError(f"the attempt id {manifest.attempt!r} cannot name a file")
        if manifest.version > wire.MANIFEST_VERSION:
            raise wire.WireError(f"manifest version {manifest.version} is newer than this wrapper")
        return manifest
    except wire.WireError as error:
        attempt = _attempt_of(line)
        if attempt is None:
            raise wire.WireError(f"{where}: {error}") from None
        return UnreadableLine(attempt, f"manifest: {error}")


def _attempt_of(line: bytes) -> Optional[str]:
    try:
        data = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    attempt = data.get("attempt") if isinstance(data, dict) else None
    return attempt if isinstance(attempt, str) and safe_attempt(attempt) else None


def run(
    lines: List[ManifestLine],
    node: wire.Node,
    into: str,
    who: HostIdentity,
    stop: Stop,
    claims: str = "",
    grid: Optional[GridJob] = None,
) -> None:
    """Carry out every order in turn; after a wish to stop, the rest is reported as cancelled.

    `claims` is where their claims are (`wrappers.node.claims`); "" is beside the reports. `grid` hears of it.

    Raises:
        OSError: a report could not be written.
    """
    found = take(claims or into, [line.attempt for line in lines])
    if node.sandbox is not None:
        node = node._replace(sandbox=node.sandbox // max(len(lines), 1))
    for number, line in enumerate(lines, 1):
        if isinstance(line, UnreadableLine) or stop.requested:
            refuse(line, "cancelled before it started", node, into, who)
            continue
        which = f"{number} of {len(lines)}" if len(lines) > 1 else ""
        hears = partial(grid.phase, which) if grid is not None else silent
        report = run_attempt(line, node, Path(into), who, stop, found.get(line.attempt, ""), hears)
        if grid is not None:
            grid.ended(which, report)


def refuse(line: ManifestLine, why: str, node: wire.Node, into: str, who: HostIdentity) -> None:
    """Report an order that is not carried out: cancelled for this reason, or unreadable for its own.

    Raises:
        OSError: the report could not be written.
    """
    if isinstance(line, UnreadableLine):
        ghost = wire.Manifest(line.attempt, "", "", "", "")
        report = reports.never_run(ghost, wire.ENGINE, line.why, node, who)
        report = report._replace(manifest_sha256="")  # we do not know which manifest it was
    else:
        report = reports.never_run(line, wire.CANCELLED, why, node, who)
    reports.write(report, into)
