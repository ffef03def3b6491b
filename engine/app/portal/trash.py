"""The trash of an account: what it removes lies there, and counts, until it is removed there."""

from __future__ import annotations

from contextlib import suppress

from engine.app.access.paths import LONGEST
from engine.app.access.tokens import Segments
from engine.app.portal.tree import FileTree
from engine.app.portal.virtual import trash_of
from engine.ids import new_id


def discard(tree: FileTree, stored: Segments, account_id: str) -> None:
    """Put a file or directory into the trash of an account; what lies in the trash is removed for good.

    Raises:
        OSError: there is no such thing, or it cannot be moved.
    """
    trash = trash_of(account_id)
    if stored[: len(trash)] == trash:
        tree.remove(stored)
        return
    with suppress(FileExistsError):
        tree.move(stored, (*trash, stored[-1]))
        return
    tree.move(stored, (*trash, beside(stored[-1])))


def beside(name: str) -> str:
    """Another name like this one, no longer in bytes than names may be."""
    start = f"{new_id()}-"
    return start + name.encode("utf-8", "surrogateescape")[: LONGEST - len(start)].decode("utf-8", "ignore")
