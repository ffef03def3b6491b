"""What a transaction of `cvmfs_server` writes, and whether it may, and whether it is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cvmfs_deploy.catalogs import MARKER
from cvmfs_deploy.create import RECORD, really_there
from cvmfs_deploy.history import HISTORY
from cvmfs_deploy.index import from_json
from cvmfs_deploy.layout import Layout, checked
from cvmfs_deploy.publish import effects
from cvmfs_deploy.published import Changes, PublishTree
from engine.errors import SettingsError, Unavailable
from wrappers.containers.listing import TREE, ListingEntry, read_tree
from wrappers.containers.tree import remove, remove_all


def check_lease(name: str, lease: str, layout: Layout, changes: Changes) -> None:
    """See that nothing lies outside of the lease: a gateway drops it without a word.

    Raises:
        SettingsError: something does.
    """
    paths = [layout.root, *(tree.at for tree in changes.trees), *changes.links, *changes.unlinked]
    for path in [*paths, *changes.removed, *changes.files]:
        if lease and not f"{path}/".startswith(f"{lease}/"):
            raise SettingsError(
                f"{name}: {path} is not below the leased path {lease}",
                remedy=f"set `to` to a path above {layout.root} and {path}",
            )


def compare(name: str, top: Path, layout: Layout, changes: Changes) -> None:
    """See that the changes are made for what is there: another publisher may have come in between.

    Raises:
        Unavailable: they are not.
    """
    if changes.base is None:
        return
    file = top / layout.index
    there = from_json(file.read_bytes(), str(file)).generation if file.exists() else ""
    if there != changes.base:
        raise Unavailable(
            f"{name}: somebody else has published meanwhile", remedy="run the same command again"
        )


def write(top: Path, layout: Layout, changes: Changes) -> None:
    """Write everything into the open transaction."""
    store = top / layout.store
    store.mkdir(parents=True, exist_ok=True)
    marker = top / layout.root / MARKER
    if not marker.exists():
        marker.touch()
    for tree in changes.trees:
        _copy(top, tree)
    if changes.links:
        effects.put_links(top, changes.links, store)
    effects.unlink(top, changes.unlinked)
    for path in changes.removed:
        if os.path.lexists(top / checked(path)):  # what the index knew may be among what no index knows
            remove_all(top / checked(path))
    for path, data in changes.files.items():
        effects.put_file(top / checked(path), data)


def _copy(top: Path, tree: PublishTree) -> None:
    target = top / checked(tree.at)
    there: Mapping[bytes, ListingEntry] = {}
    if tree.like:
        there = really_there(target)
    elif target.exists():
        remove(target)
    effects.copy_tree(tree.staged, target, read_tree(tree.staged), there, tree.borrowed)
    for name in (RECORD, TREE, HISTORY):
        if (tree.staged / name).exists():
            effects.put_file(target / name, (tree.staged / name).read_bytes())


def missing(top: Path, changes: Changes) -> str:
    """Find a file with our mark that cannot be read in what is mounted; "" when all can."""
    return next((path for path, data in changes.files.items() if not _holds(top / path, data)), "")


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False
