"""What travels with jobs: the wrapper and its launcher, the manifests, and how the node is set up.

One archive for each batch of one execution, the same bytes for the same content. Portal users share one
account at DIRAC, so an archive never holds manifests of two executions: a tool could read what is beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.backends.wms.jdl import CLAIMS, LAUNCHER, MANIFESTS, NODE
from engine.ports import Submission
from wrappers import build, wire

_LEVEL = 3
"""Of compression: 13 ms for the wrapper; the next 10 % would cost twice that."""


@dataclass(frozen=True)
class PayloadArchive:
    """A tar, compressed with zstandard."""

    data: bytes

    @cached_property
    def sha256(self) -> str:
        """Names the content."""
        return hashlib.sha256(self.data).hexdigest()


def common(node: wire.Node) -> dict[str, bytes]:
    """Make the files that every job carries. Output sandboxes get lost: a copy of each report is stored
    apart.
    """
    return {
        LAUNCHER: build.launcher(),
        "wrapper.pyz": build.archive(),
        NODE: wire.dumps(node._replace(second_report=True)).encode("ascii"),
    }


def manifest_files(items: Sequence[Submission]) -> tuple[dict[str, bytes], list[tuple[int, int]]]:
    """Make the files with the manifests of some submissions of one execution, and find where those of each
    are: the number of its first line, and how many.
    """
    ranges, lines, claims = list[tuple[int, int]](), list[str](), dict[str, str]()
    for item in items:
        ranges.append((len(lines), len(item.manifests)))
        lines += [wire.dumps(manifest) + "\n" for manifest in item.manifests]
        claims.update(item.claims)
    files = {MANIFESTS: "".join(lines).encode("ascii")}
    for item in items:
        files.update(item.files)
    if claims:
        files[CLAIMS] = json.dumps(claims, sort_keys=True).encode("ascii")
    return files, ranges


def pack(files: Mapping[str, bytes]) -> PayloadArchive:
    """Pack files so that the same files give the same bytes: sorted, without dates, owners or modes of this
    machine.
    """
    import zstandard  # DiracX's sandboxes alone need it

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            entry.mode = 0o600 if name == CLAIMS else 0o755 if name == LAUNCHER else 0o644
            tar.addfile(entry, io.BytesIO(files[name]))
    return PayloadArchive(zstandard.ZstdCompressor(level=_LEVEL).compress(buffer.getvalue()))
