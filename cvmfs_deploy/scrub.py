"""What an image may not keep when it is published: told by the extraction, or taken out of the tree here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from wrappers.containers import udocker_format
from wrappers.containers.layers import Findings
from wrappers.containers.tree import remove

_MOUNT_POINTS = ("dev", "proc", "sys", "tmp", "var/tmp")  # apptainer cannot add what is missing
_SHOWN = 20  # examples of a kind of change in a record


@dataclass(frozen=True, slots=True)
class TreeDifference:
    """A difference between the image and the published tree."""

    what: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = ", ..." if self.count > 1 else ""
        return f"{self.count} {self.what}: {self.examples[0]}{more}"


def summary(findings: Findings) -> Iterator[TreeDifference]:
    """List what the extraction could not keep as it was."""
    kinds = (
        (findings.special, "devices and pipes left out"),
        (findings.setuid, "files without their set-uid or set-gid bit"),
        (findings.xattrs, "files without their extended attributes"),
        (findings.closed, "files opened to all readers"),
    )
    for paths, what in kinds:
        if paths:
            yield TreeDifference(what, len(paths), tuple(map(_printable, paths[:_SHOWN])))


def scrub(container: Path, losing: Callable[[bytes], object]) -> list[TreeDifference]:
    """Take out what CVMFS would take as commands, add what runtimes need, and note what may surprise.

    `losing` is told of what is taken out, before it is.
    """
    root = os.fsencode(container / udocker_format.ROOT)
    commands: list[bytes] = []
    absolute: list[bytes] = []
    odd: list[bytes] = []
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            shown = path[len(root) + 1 :]
            if name.startswith(b".cvmfs"):
                commands.append(shown)
                losing(path)
                remove(Path(os.fsdecode(path)))
                continue
            if not _printable_name(name):
                odd.append(shown)
            if os.path.islink(path) and os.readlink(path).startswith(b"/"):
                absolute.append(shown)
        names[:] = [name for name in names if not name.startswith(b".cvmfs")]
    added = _add_mount_points(container / udocker_format.ROOT)
    kinds = (
        (commands, "files left out that CVMFS would take as commands"),
        (absolute, "absolute symbolic links, right inside of a container only"),
        (odd, "names with unusual characters"),
        (added, "directories added for runtimes to mount on"),
    )
    return [
        TreeDifference(what, len(paths), tuple(_printable(os.fsdecode(path)) for path in paths[:_SHOWN]))
        for paths, what in kinds
        if paths
    ]


def merged(*several: Iterable[TreeDifference]) -> list[TreeDifference]:
    """Merge changes of several steps, each kind once."""
    found: dict[str, TreeDifference] = {}
    for one in chain(*several):
        old = found.get(one.what, TreeDifference(one.what, 0, ()))
        found[one.what] = TreeDifference(
            one.what, old.count + one.count, (*old.examples, *one.examples)[:_SHOWN]
        )
    return list(found.values())


def _add_mount_points(root: Path) -> list[bytes]:
    added = []
    for name in _MOUNT_POINTS:
        parent = (root / name).parent
        if parent != root and (parent.is_symlink() or not parent.is_dir()):
            continue  # a link may lead out of the tree
        if not os.path.lexists(root / name):
            (root / name).mkdir()
            (root / name).chmod(0o1755 if name.endswith("tmp") else 0o755)
            added.append(name.encode())
    return added


def _printable_name(name: bytes) -> bool:
    try:
        return name.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)
