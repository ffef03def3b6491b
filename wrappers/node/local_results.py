"""Results that stay on this machine: renamed where that is possible, hashed, on the disk before we say so."""

import errno
import os
from typing import Dict, List, Optional, Tuple
from urllib.parse import quote

from wrappers import wire
from wrappers.node import files
from wrappers.node.failure import DISK_FULL, AttemptFailed, from_os
from wrappers.node.names import file_path, portable
from wrappers.node.outputs import OutputMatch


def move_all(
    found: List[OutputMatch], directory: str, outputs_to: str
) -> Tuple[List[wire.DeliveredOutput], List[str]]:
    """Bring all that was found in a directory (a resolved path) below a `file:` URL.

    Gives the products and a sentence for everything inside directories that was left out.

    Raises:
        Failure: (output) the target cannot be written, or is full; (tool) a result is too deep.
    """
    try:
        target = file_path(outputs_to)
    except ValueError as error:
        raise AttemptFailed(wire.OUTPUT, str(error)) from None
    try:
        return _move(found, directory, outputs_to, target)
    except OSError as error:
        doing = f"delivering results to {outputs_to}"
        if error.errno in DISK_FULL:  # the job's own disk is only read from
            raise AttemptFailed("results-full", f"no space left on the disk while {doing}") from None
        raise from_os(error, wire.OUTPUT, doing) from None


def _move(
    found: List[OutputMatch], directory: str, outputs_to: str, target: str
) -> Tuple[List[wire.DeliveredOutput], List[str]]:
    os.makedirs(target, exist_ok=True)
    here = os.stat(target).st_dev == os.stat(directory).st_dev
    items = {one.name: _LocalResult(one, directory, here) for one in found}
    covered = [name for name in items if _is_covered(name, items)]
    sums = {name: items[name].digest() for name in covered}  # before what holds them is moved
    # Copies first: a link may point to what will be moved.
    outer = sorted(set(items) - set(covered), key=lambda name: (items[name].movable, name))
    for name in outer:
        sums[name] = items[name].move(os.path.join(target, name))
    # After the renames: with one commit of its journal, a file system writes content and names.
    for name in outer:
        items[name].sync(os.path.join(target, name))
    for parent in {os.path.dirname(os.path.join(target, name)) for name in outer}:
        files.sync(parent)
    products = [_product(one, outputs_to, *sums[one.name]) for one in found]
    return products, [line for item in items.values() for line in item.left_out]


def _is_covered(name: str, items: Dict[str, "_LocalResult"]) -> bool:
    """Say whether a directory that is delivered as a whole holds this output."""
    parts = name.split("/")
    return any("/".join(parts[:depth]) in items for depth in range(1, len(parts)))


def _product(one: OutputMatch, outputs_to: str, sha256: str, size: int) -> wire.DeliveredOutput:
    name = portable(one.name)
    url = f"{outputs_to.rstrip('/')}/{quote(name, errors='surrogateescape')}"
    return wire.DeliveredOutput(one.id, name, url, size, sha256, one.directory)


def tree_of(one: OutputMatch, within: Optional[str]) -> Optional[files.ListedTree]:
    """Read the tree of a result; None when it is a file.

    Raises:
        Failure: (tool) it has too many levels.
    """
    try:
        return files.walk(one.real, within) if one.directory else None
    except files.TooDeep as error:
        raise AttemptFailed(wire.TOOL, f"output {one.id}: {portable(one.name)} {error}") from None


class _LocalResult:
    """A result on its way to a directory of this machine."""

    def __init__(self, one: OutputMatch, root: str, here: bool) -> None:
        self._source = one.real
        self._tree = tree_of(one, root)
        self.left_out = [f"{portable(one.name)}/{line}" for line in self._tree.left_out] if self._tree else []
        linked = one.real != os.path.join(root, one.name) or (self._tree is not None and not self._tree.plain)
        self.movable = here and not linked

    def digest(self) -> Tuple[str, int]:
        if self._tree is None:
            return files.digest(self._source)
        held = files.digest_tree(self._tree)
        return held.sha256(), held.size

    def move(self, target: str) -> Tuple[str, int]:
        """Bring it to `target`, in one rename; what an earlier run of this attempt left there goes."""
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(target) and not os.path.islink(target):
            files.remove(target)
        if self.movable:
            result = self.digest()
            try:
                os.rename(self._source, target)
                return result
            except OSError as error:
                if error.errno != errno.EXDEV:  # one device, but two mounts of it
                    raise
        return self._copy(target)

    def _copy(self, target: str) -> Tuple[str, int]:
        temporary = os.path.join(os.path.dirname(target), f".part-{os.getpid()}")
        try:
            if self._tree is None:
                result = files.copy(self._source, temporary)
            else:
                held = files.copy_tree(self._tree, temporary)
                result = held.sha256(), held.size
            os.rename(temporary, target)
        except BaseException:
            files.remove_any(temporary)
            raise
        return result

    def sync(self, target: str) -> None:
        """Have it on the disk."""
        for name in [""] if self._tree is None else [file.name for file in self._tree.files]:
            files.sync(os.path.join(target, name) if name else target)
