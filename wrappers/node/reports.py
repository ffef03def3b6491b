"""Writing reports: always, also for attempts that never ran, and on a disk that is full."""

import hashlib
import os
import time
from typing import Dict

from wrappers import causes, wire
from wrappers.node.failure import DISK_FULL
from wrappers.node.files import replace_text
from wrappers.node.host import HostIdentity

LOG_LEFT = 1 << 16  # bytes of a log that stay when the disk is full


def path(attempt: str, into: str) -> str:
    """Return where the report of an attempt lies."""
    return os.path.join(into, attempt + ".report.json")


def write(report: wire.Report, into: str) -> None:
    """Write the report, by a temporary name and a rename. On a full disk the tool's logs make room.

    Raises:
        OSError: not even so.
    """
    text = wire.dumps(report)
    try:
        replace_text(path(report.attempt, into), text)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        cut_logs(report.attempt, into)
        replace_text(path(report.attempt, into), text)


def cut_logs(attempt: str, into: str) -> None:
    """Keep only the beginning of a tool's logs: they may be what filled the disk."""
    for log in (".out", ".err"):
        name = os.path.join(into, attempt + log)
        if os.path.exists(name) and os.path.getsize(name) > LOG_LEFT:
            os.truncate(name, LOG_LEFT)


def shorten_logs(attempt: str, into: str, room: int) -> None:
    """Keep the beginning and the end of logs that are too long for a sandbox: each gets an eighth of the
    `room` (bytes), so that half of it is left for results.
    """
    for log in (".out", ".err", ".debug"):
        name = os.path.join(into, attempt + log)
        try:
            if os.path.getsize(name) > room // 8:
                _shorten(name, room // 8)
        except OSError:
            pass  # there is none, or the disk is full: it stays as it is


def _shorten(name: str, limit: int) -> None:
    with open(name, "r+b") as log:
        size = log.seek(0, os.SEEK_END)
        half = max(limit - 200, 0) // 2
        log.seek(size - half)
        tail = log.read(half)
        log.seek(half)
        words = f"\n[... {size - 2 * half} bytes were cut out here: this log had {size} ...]\n"
        log.write(words.encode("ascii") + tail)
        log.truncate()


def never_run(
    manifest: wire.Manifest, cause: str, message: str, node: wire.Node, who: HostIdentity
) -> wire.Report:
    """Make the report of an attempt whose tool was never started by us, for a cause of `wrappers.causes`."""
    now = time.time()
    return wire.Report(
        attempt=manifest.attempt,
        manifest_sha256=manifest_sha256(manifest),
        outcome=wire.FAILED,
        failure=causes.CAUSES[cause].failure,
        cause=cause,
        message=one_line(message),
        started=now,
        ended=now,
        host=host(who, node),
        wrapper_sha256=who.wrapper_sha256,
    )


def manifest_sha256(manifest: wire.Manifest) -> str:
    """Names the manifest that was carried out."""
    return hashlib.sha256(wire.dumps(manifest).encode("ascii")).hexdigest()


def host(who: HostIdentity, node: wire.Node) -> Dict[str, str]:
    """Describe this machine, and the site to which it is said to belong."""
    return dict(who.host, site=node.site) if node.site else who.host


def one_line(message: str) -> str:
    """Write a message for a person, without line breaks and of bounded length."""
    return " ".join(message.split())[:1000]
