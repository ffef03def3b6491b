"""Results of earlier jobs, put where their tools wrote them: one tree, in which this job's tool goes on.
What that leaves as it was is no result of its own.
"""

import os
from typing import Dict, List, NamedTuple, Tuple

from wrappers import wire
from wrappers.node import files
from wrappers.node.failure import AttemptFailed, from_os
from wrappers.node.names import inside, native, portable

_OWN = f"{wire.OWN}earlier"  # the directory in which they are staged


class MergedTree(NamedTuple):
    """The files of earlier jobs in the job directory."""

    roots: List[str]  # paths that results of earlier jobs have
    states: Dict[str, Tuple[int, int, int]]  # of each file, by its path: see `_state`
    sums: Dict[str, str]  # sha256 of each file, by its name in the job directory


def apart(wanted: List[wire.Input]) -> List[wire.Input]:
    """Give inputs names of their own where they are to be put together later."""
    return [one._replace(name=f"{_OWN}/{number}") if one.merged else one for number, one in enumerate(wanted)]


def merge(wanted: List[wire.Input], directory: str, sums: Dict[str, str]) -> MergedTree:
    """Put inputs that were staged apart to their names; `sums` are those of their files, by staged names.

    Where two have a file of one name, that of a later step stays; of one step, both must be the same.

    Raises:
        Failure: (input) they are not; (engine) a name leaves the directory.
    """
    merging = _Merging(directory, sums)
    tree = merging.tree
    try:
        for number, one in enumerate(wanted):
            if one.merged:
                merging.put_all(one, f"{_OWN}/{number}")
        files.remove_any(os.path.join(directory, _OWN))
        for name in tree.sums:
            path = os.path.join(directory, name)
            tree.states[path] = _state(path)
    except OSError as error:
        raise from_os(error, wire.INPUT, "putting results of earlier jobs together") from None
    return tree


class _Merging:
    """A tree that is being put together."""

    def __init__(self, directory: str, sums: Dict[str, str]) -> None:
        self.tree = MergedTree([], {}, {})
        self._directory = directory
        self._staged = sums
        self._steps: Dict[str, int] = {}

    def put_all(self, one: wire.Input, staged: str) -> None:
        """Put a result, or what it holds, to its place."""
        target = inside(self._directory, one.name, f"input {one.id}:")
        source = os.path.join(self._directory, staged)
        self.tree.roots.append(target)
        if not os.path.isdir(source):
            self._put(one.merged, source, native(one.name), self._staged[native(staged)])
            return
        os.makedirs(target, exist_ok=True)
        for parent, directories, names in os.walk(source):
            below = os.path.relpath(parent, source)
            links = [name for name in directories if os.path.islink(os.path.join(parent, name))]
            for name in set(directories) - set(links):
                os.makedirs(os.path.join(target, below, name), exist_ok=True)
            for name in [*names, *links]:
                own = os.path.normpath(os.path.join(below, name))
                path = os.path.join(parent, name)
                link = f"link {os.readlink(path)}" if os.path.islink(path) else ""
                content = link or self._staged[f"{native(staged)}/{own}"]
                self._put(one.merged, path, f"{native(one.name)}/{own}", content)

    def _put(self, step: int, source: str, name: str, content: str) -> None:
        known = self.tree.sums.get(name, content)
        if known != content and self._steps[name] == step:
            raise AttemptFailed(
                wire.INPUT, f"{portable(name)}: two jobs before this one wrote it, with different contents"
            )
        target = os.path.join(self._directory, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(source, target)
        self.tree.sums[name] = content
        self._steps[name] = step


def remove_unchanged(tree: MergedTree) -> None:
    """Remove what the tool left as it was, and directories that are empty then; the paths that earlier
    results have stay.
    """
    parents = set()
    for path, state in tree.states.items():
        if os.path.lexists(path) and _state(path) == state:
            os.unlink(path)
            parents.add(os.path.dirname(path))
    for parent in sorted(parents, key=len, reverse=True):
        while parent not in tree.roots and os.path.isdir(parent) and not os.listdir(parent):
            os.rmdir(parent)
            parent = os.path.dirname(parent)


def _state(path: str) -> Tuple[int, int, int]:
    """Identify the content of a file: by its inode, its size and when it was changed."""
    about = os.lstat(path)
    return about.st_ino, about.st_size, about.st_mtime_ns
