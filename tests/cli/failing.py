"""Hands for tests of failures: what makes them, and what must be told of them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cli.desk import Desk
from tests.conftest import ROOT
from tests.node.conftest import Site
from wrappers import wire
from wrappers.causes import CAUSES

DENIED = ROOT / "tests/services/denied.py"


def told(desk: Desk, cause: str, *words: str | Path, **options: Any) -> str:
    """Submit what fails so, and see what the engine makes of it; gives what `explain` says."""
    desk.submit(*words, code=1, **options)
    (job,) = desk.ok("jobs", "--json").values
    row = CAUSES[cause]
    assert (job["failure"], job["attempts"]) == (row.failure, row.again + 1), job
    story = desk.ok("explain")
    assert f"cause: {cause} ({row.failure}): {row.words}" in story.out + story.err
    assert f"what to do: {row.remedy}" in story.out + story.err
    return str(job["message"])


def found(report: wire.Report, cause: str) -> None:
    """See that a report names this cause, and says something to people."""
    assert (report.outcome, report.cause, report.failure) == (wire.FAILED, cause, CAUSES[cause].failure), (
        report
    )
    assert report.message


def run(site: Site, *before: str | Path, **manifest: Any) -> wire.Report:
    """One attempt by the wrapper's command line, after what makes its surroundings."""
    one = site.manifest(manifest.pop("command", "true"), **manifest)
    command = [*map(str, before), *site.command([one])]
    subprocess.run(command, env=site.environment, timeout=300, check=True)
    return site.report(one)


def denied(what: str) -> tuple[str, ...]:
    """What runs a command whose system calls fail as `what` says (`tests/services/denied.py`)."""
    return (sys.executable, str(DENIED), what)


def mounted(place: Path, options: str) -> tuple[str, ...]:
    """What gives a command a file system in memory at a place."""
    place.mkdir(parents=True, exist_ok=True)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = f'mount -t tmpfs -o {options} none "$0" && exec "$@"'
    return ("unshare", *user, "--mount", "sh", "-c", script, str(place))


def nobody_listens() -> int:
    """A port of this machine."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def pull(
    site: Site, reference: str, digest: str = "sha256:" + "0" * 64, *before: str, **more: Any
) -> wire.Report:
    """One attempt with an image that has to be pulled."""
    site.node = site.node._replace(cache=str(site.root / "cache"))
    return run(site, *before, image=wire.Image(reference, digest), runtimes=["userns", "udocker"], **more)


def program(machine: int = 62, loader: str = "") -> bytes:
    """The head of an ELF file for a machine that wants a loader."""
    data = loader.encode() + b"\0"
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 3, 4, 120, 120, 120, len(data), len(data), 1) + data
