"""What a job directory held before the tool started: that alone is no result, unless the tool changed it.

A file is the same when its inode, size and time of modification are, and its content is wherever the time of
its last change of any kind says that something happened: `chmod -R` changes no content, and `touch -r` hides
that one did.
"""

import os
import re
import stat
from typing import Dict, Iterable, Mapping, NamedTuple

from wrappers.node import files

_ONE_NAME = re.compile(r"\[[^!]\]")  # how a template writes a character that would be a wildcard
_WILDCARD = re.compile(r"[*?]|\[.+\]")


class _EntryState(NamedTuple):
    """A file, directory or link."""

    kind: int
    inode: int = 0
    size: int = 0
    modified: int = 0
    changed: int = 0
    content: str = ""  # sha256 of a file, text of a link


class EarlierMatches:
    """The matches of templates with wildcards before the tool starts, and all that is below them."""

    def __init__(self, directory: str, names: Iterable[str], sums: Mapping[str, str], now: int) -> None:
        """`names` are relative to the directory; `sums` are the checksums that are known of files, by such
        names. What changes later has a time of change of `now` at least, in nanoseconds.
        """
        self._directory = directory
        self._now = now
        self._trees: Dict[str, Dict[str, _EntryState]] = {}
        for name in names:
            self._trees[name] = {
                path: self._with_content(path, state, sums) for path, state in self._look(name).items()
            }

    def written(self, names: Iterable[str]) -> "list[str]":
        """Return those that are the tool's: new, or changed, also in what is below them."""
        return [name for name in names if not self._is_same(name)]

    def _is_same(self, name: str) -> bool:
        before = self._trees.get(name)
        if before is None:
            return False
        try:
            after = self._look(name)
        except OSError:  # deeper than any path, or the like: it was not when it was staged
            return False
        return before.keys() == after.keys() and all(
            self._is_same_state(path, before[path], after[path]) for path in after
        )

    def _is_same_state(self, path: str, old: _EntryState, new: _EntryState) -> bool:
        if old._replace(changed=0, content="") != new._replace(changed=0, content=""):
            return False
        if old.changed == new.changed < self._now:
            return True
        return old.content == self._with_content(path, new, {}).content

    def _with_content(self, path: str, state: _EntryState, sums: Mapping[str, str]) -> _EntryState:
        where = os.path.join(self._directory, path)
        if state.kind == stat.S_IFREG:
            return state._replace(content=sums.get(path) or files.digest(where)[0])
        return state._replace(content=os.readlink(where)) if state.kind == stat.S_IFLNK else state

    def _look(self, name: str) -> Dict[str, _EntryState]:
        """Compute the state of a name, and of all that is below it; a link stands for what it leads to as
        well.
        """
        found: Dict[str, _EntryState] = {}
        todo = [name]
        path = os.path.join(self._directory, name)
        real = os.path.realpath(path)
        if os.path.islink(path) and os.path.exists(real) and files.is_within(real, self._directory):
            todo.append(os.path.relpath(real, self._directory))
        while todo:
            path = todo.pop()
            here = os.path.join(self._directory, path)
            about = os.lstat(here)
            kind = stat.S_IFMT(about.st_mode)
            if kind == stat.S_IFDIR:
                found[path] = _EntryState(kind, about.st_ino)
                todo += [os.path.join(path, entry.name) for entry in files.entries(here)]
            else:
                times = about.st_mtime_ns, about.st_ctime_ns
                found[path] = _EntryState(kind, about.st_ino, about.st_size, *times)
        return found


def has_wildcard(template: str) -> bool:
    """Say whether a template may match several names."""
    return bool(_WILDCARD.search(_ONE_NAME.sub("", template)))
