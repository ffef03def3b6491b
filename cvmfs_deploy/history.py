"""What each layer of an image did to its tree, kept beside the tree.

An image that has only the first layers of a published one can begin with the part that these made: their
files that are still published, and the directories and links that later layers changed or removed. Of a file
that a later layer replaced only the name is known: whoever keeps it must unpack the layers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from cvmfs_deploy.scrub import TreeDifference, summary
from wrappers.containers.layers import ExtractionObserver, Findings

HISTORY = "history.json.gz"
_NOBODY = -1
"""In place of a layer: what we added ourselves."""


class ReplacedPath(NamedTuple):
    """A path of a layer that a later one replaced or removed. Paths are below the root of the image."""

    path: bytes
    kind: str
    """file, dir or link."""
    mode: int
    """Of a directory."""
    link: bytes
    by: int
    """The layer that made it, counted from 0."""
    at: int
    """The layer that replaced or removed it; after the last: it was not published."""


@dataclass(frozen=True, slots=True)
class History:
    """The record of which layer made what."""

    origins: Mapping[bytes, int] = field(default_factory=dict)
    """The layer that made what is there, by path below the root of the image."""
    lost: Sequence[ReplacedPath] = ()
    changes: Sequence[Sequence[TreeDifference]] = ()
    """What could not be kept of each layer as it was."""

    def first(self, layers: int) -> History:
        """Return the history when that many layers were unpacked, without what was lost of them since."""
        origins = {path: by for path, by in self.origins.items() if by < layers}
        origins |= {one.path: one.by for one in self.lost_since(layers)}
        before = [one for one in self.lost if one.at < layers]
        return History(origins, before, self.changes[:layers])

    def lost_since(self, layers: int) -> list[ReplacedPath]:
        """List what the first layers made and a later one replaced or removed."""
        return [one for one in self.lost if one.by < layers <= one.at]


class Recorder(ExtractionObserver):
    """A writer of a history while layers are unpacked onto what an earlier one holds."""

    def __init__(self, root: bytes, before: History, stands_in: Callable[[bytes], bool]) -> None:
        """`stands_in` tells of the text of a link whether that is in place of a file."""
        self._root = root
        self._stands_in = stands_in
        self._origins = {os.path.join(root, path): by for path, by in before.origins.items()}
        self._lost = list(before.lost)
        self._changes = list(before.changes)
        self._seen = Findings(0, 0, [], [], [], [])
        self._layer = len(self._changes)

    def made(self, path: bytes) -> None:
        """Note something that is there; what was there before stays whose it was."""
        self._origins.setdefault(path, self._layer)

    def losing(self, path: bytes) -> None:
        """Note what is about to be removed, with all below it."""
        self.changing(path)
        if os.path.isdir(path) and not os.path.islink(path):
            for directory, names, files in os.walk(path):
                for name in (*names, *files):
                    self.changing(os.path.join(directory, name))

    def changing(self, path: bytes) -> None:
        """Note what is about to be something else."""
        by = self._origins.pop(path, None)
        if by is None or by == self._layer:
            return
        about = os.lstat(path)
        kind, mode, link = "file", 0, b""
        if stat.S_ISDIR(about.st_mode):
            kind, mode = "dir", stat.S_IMODE(about.st_mode)
        elif stat.S_ISLNK(about.st_mode) and not self._stands_in(text := os.readlink(path)):
            kind, mode, link = "link", 0o777, text
        self._lost.append(ReplacedPath(path[len(self._root) + 1 :], kind, mode, link, by, self._layer))

    def ended(self, made: Iterable[bytes], findings: Findings) -> None:
        """Note that a layer is unpacked, and what of all so far could not be kept as it was."""
        for path in made:
            self.made(path)
        new = findings._replace(
            **{
                name: getattr(findings, name)[len(getattr(self._seen, name)) :]
                for name in ("special", "setuid", "xattrs", "closed")
            }
        )
        self._seen = Findings(0, 0, *map(list, findings[2:]))  # the lists grow
        self._changes.append(list(summary(new)))
        self._layer += 1

    def history(self) -> History:
        """Return the history that was recorded."""
        start = len(self._root) + 1
        origins = {path[start:]: by for path, by in self._origins.items()}
        return History(origins, self._lost, self._changes)


def write(container: Path, history: History, paths: Sequence[bytes]) -> str:
    """Keep the history of the paths of a list, and give its sha256."""
    document = {
        "origins": [history.origins.get(path, _NOBODY) for path in paths],
        "lost": [
            [os.fsdecode(one.path), one.kind, one.mode, os.fsdecode(one.link), one.by, one.at]
            for one in history.lost
        ],
        "changes": [[asdict(one) for one in layer] for layer in history.changes],
    }
    text = json.dumps(document, separators=(",", ":")).encode("ascii")
    (container / HISTORY).write_bytes(gzip.compress(text, 6, mtime=0))
    return hashlib.sha256(text).hexdigest()


def read(container: Path, paths: Sequence[bytes], sha256: str) -> History | None:
    """Read the history that was written for these paths; None when it is another one.

    Raises:
        OSError, EOFError, ValueError, KeyError, TypeError: it cannot be read.
    """
    text = gzip.decompress((container / HISTORY).read_bytes())
    if hashlib.sha256(text).hexdigest() != sha256:
        return None
    found = json.loads(text)
    origins = {path: by for path, by in zip(paths, found["origins"], strict=True) if by != _NOBODY}
    lost = [
        ReplacedPath(os.fsencode(path), kind, mode, os.fsencode(link), by, at)
        for path, kind, mode, link, by, at in found["lost"]
    ]
    changes = [
        [TreeDifference(one["what"], one["count"], tuple(one["examples"])) for one in layer]
        for layer in found["changes"]
    ]
    return History(origins, lost, changes)
