"""Directories by name, each made exactly once however many ask for it, whoever is killed and whenever.

    TOP/ready/NAME             complete: the rename that puts it there is the last step of making it
    TOP/locks/NAME             shared by whoever uses NAME, exclusive for making and removing it; its time
                               stamp is that of the last use
    TOP/staging/NAME.XXXX      being made or removed; debris when nobody holds the lock

The kernel drops the locks of a process that dies, so nothing is ever stuck.
"""

import errno
import fcntl
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional

from wrappers.containers.tree import remove

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class HeldDirectory(NamedTuple):
    """A directory that stays while `lock` is open."""

    path: Path
    lock: Optional[int]  # file descriptor; None in a cache that we cannot write, where nobody removes
    made: Any = None  # what `make` returned, when it was made now

    def release(self) -> None:
        """Let it be removed again."""
        if self.lock is not None:
            os.close(self.lock)


class DirectoryCache:
    """A cache of such directories."""

    def __init__(self, top: Path) -> None:
        self._ready, self._locks, self._staging = (top / name for name in ("ready", "locks", "staging"))

    def take(self, name: str, make: Callable[[Path], Any]) -> HeldDirectory:
        """Take the directory `name`; `make` is called with a path to make it at when nobody has.

        Raises:
            OSError: the cache cannot be written.
            Whatever `make` raises; what it left behind is removed.
        """
        path = self._ready / name
        made: Any = None
        lock = self._open_lock(name, path)
        if lock is None:
            return HeldDirectory(path, None)
        try:
            while True:
                fcntl.flock(lock, fcntl.LOCK_SH)
                if path.is_dir():
                    _note_use(lock)
                    return HeldDirectory(path, lock, made)
                fcntl.flock(lock, fcntl.LOCK_EX)  # one gets it; the others wait here for that one
                if not path.is_dir():
                    made = self._make(name, path, make)
        except BaseException:
            os.close(lock)
            raise

    def names(self) -> List[str]:
        """List what is there, least recently used first."""
        try:
            return sorted(os.listdir(str(self._ready)), key=self._last_use)
        except FileNotFoundError:
            return []

    def path(self, name: str) -> Path:
        """Return where `name` is when it is there."""
        return self._ready / name

    def remove(self, name: str) -> bool:
        """Remove a directory; False when it is in use."""
        lock = os.open(str(self._locks / name), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            doomed = tempfile.mkdtemp(prefix=name + ".", dir=str(self._staging))
            os.rename(str(self._ready / name), os.path.join(doomed, "it"))
            remove(Path(doomed))
            return True
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            os.close(lock)

    def _open_lock(self, name: str, path: Path) -> Optional[int]:
        try:
            if not self._staging.is_dir():
                for directory in (self._ready, self._locks, self._staging):
                    os.makedirs(str(directory), mode=0o700, exist_ok=True)
            return os.open(str(self._locks / name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in _READ_ONLY and path.is_dir():
                return None
            raise

    def _make(self, name: str, path: Path, make: Callable[[Path], Any]) -> Any:
        self._remove_leftovers(name)
        staging = Path(tempfile.mkdtemp(prefix=name + ".", dir=str(self._staging)))
        try:
            made = make(staging / "it")
            os.rename(str(staging / "it"), str(path))
            return made
        finally:
            remove(staging)

    def _remove_leftovers(self, mine: str) -> None:
        """Remove what killed makers left behind."""
        for entry in os.listdir(str(self._staging)):
            name = entry.rpartition(".")[0]
            if name == mine:  # we hold its lock
                remove(self._staging / entry)
                continue
            lock = os.open(str(self._locks / name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(self._staging / entry)
            except BlockingIOError:
                pass  # somebody is at work there
            finally:
                os.close(lock)

    def _last_use(self, name: str) -> float:
        try:
            return os.stat(str(self._locks / name)).st_mtime
        except OSError:
            return 0.0


def _note_use(lock: int) -> None:
    try:
        os.utime(lock)
    except OSError:
        pass  # a cache of another account: its owner decides what goes
