"""The part of an image that is published already, and is not unpacked again.

An image may begin with all layers of a published one: a later step of its build, or something that was
added to it. Then only the other layers are fetched and unpacked. In the staged tree, a symbolic link with a
text that no layer can know stands for each published file. Where such a link is left in the end, the file
comes with the clone of a template transaction, or is copied from where it is published, and its sum checked.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cvmfs_deploy import listing
from cvmfs_deploy.catalogs import MARKER
from cvmfs_deploy.scrub import Change
from wrappers.containers import udocker_format
from wrappers.containers.errors import CorruptImage
from wrappers.containers.listing import Entry

_ROOT = udocker_format.ROOT.encode() + b"/"


@dataclass(frozen=True, slots=True)
class Base:
    """A published image that another one begins with."""

    container: Path
    layers: int
    """How many layers it has."""
    entries: Mapping[bytes, Entry]
    changes: tuple[Change, ...]
    """What was not kept of it as it was."""
    token: bytes = field(default_factory=lambda: b"published-" + secrets.token_hex(16).encode() + b":")

    def lay(self, root: Path) -> None:
        """Make a tree in which links stand for files.

        Raises:
            OSError: it cannot be written.
        """
        top = os.fsencode(root)
        os.mkdir(top, 0o755)
        for path in sorted(self.entries):
            if not path.startswith(_ROOT) or path.rpartition(b"/")[2] == MARKER.encode():
                continue
            entry, place = self.entries[path], os.path.join(top, path[len(_ROOT) :])
            if entry.kind == "dir":
                os.mkdir(place)
                os.chmod(place, entry.mode)
            else:
                os.symlink(entry.link if entry.kind == "link" else self.token + path, place)

    def resolved(self, entries: Iterable[Entry]) -> tuple[list[Entry], dict[bytes, bytes]]:
        """What is listed of a tree, with files for the links that stand for them, and where those are.

        Raises:
            CorruptImage: a layer contradicts what it is applied to.
        """
        found, places = [], {}
        for entry in entries:
            if self.token in entry.path:  # a layer took a file for a directory
                raise CorruptImage(f"a layer names something below a file: {entry.path!r}")
            if entry.kind == "link" and entry.link.startswith(self.token):
                path = entry.link[len(self.token) :]
                places[entry.path] = os.path.join(os.fsencode(self.container), path)
                entry = self.entries[path]._replace(path=entry.path)
            found.append(entry)
        return found, places


def begins_with(layers: Iterable[str], theirs: Iterable[str]) -> bool:
    """Whether all of their layers are the first of these."""
    ours, first = list(layers), list(theirs)
    return bool(first) and ours[: len(first)] == first


def is_sound(entries: Mapping[bytes, Entry], found: Iterable[Entry], tree: str) -> bool:
    """Whether a published tree has what its list says, and the list is that of its record."""
    if hashlib.sha256(listing.write(entries.values())).hexdigest() != tree:
        return False
    return not listing.differences(entries, {one.path: one for one in found})
