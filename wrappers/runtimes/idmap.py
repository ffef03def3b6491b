"""Which users exist in a user namespace: the caller as root, and others where the node gives a range.

A namespace is made once in a process and held open: each job enters it by one system call, where making one
costs a process that writes its maps. What a job may see or end is kept apart by its other namespaces.

Maps are written from outside, and the kernel lets nobody do that to a process that is closed to its own
account: the child that makes a namespace is open for a moment, and with it the memory it was forked with. So
processes make theirs before they know a secret.
"""

import os
import pwd
import subprocess
from typing import Callable, List, NamedTuple, NoReturn, Optional, Tuple

from wrappers import prctl
from wrappers.containers.programs import which
from wrappers.runtimes import namespaces

_UNMAPPED_HELPERS = ("newuidmap", "newgidmap")


class IdMap(NamedTuple):
    """A user namespace, in which the caller is root."""

    kind: str  # "single" or "range", as the report says it
    namespace: int  # a descriptor; programs that are executed do not get it


_made: List[IdMap] = []


def working() -> Tuple[List[IdMap], str]:
    """Find the namespaces that this account may make here, best first; and why it may make none, if so."""
    reason = ""
    if not _made:
        found, reason = _make_all()
        _made.extend(found)
    return _made, reason


def _make_all() -> Tuple[List[IdMap], str]:
    wide = _all_of_root() if os.geteuid() == 0 else _subordinate()
    found, reason = [], ""
    for kind, write in (("range", wide), ("single", _single)):
        try:
            if write is not None:
                found.append(IdMap(kind, _open(write)))
        except OSError as error:
            reason = str(error)
    return found, reason


def _open(write: Callable[[str], None]) -> int:
    """Open a new user namespace, whose maps must be written from outside; the process that made it ends."""
    entered, writer = os.pipe()
    hold, leave = os.pipe()
    child = os.fork()
    if child == 0:
        _make(writer, hold, leave)
    os.close(writer)
    os.close(hold)
    try:
        trouble = os.read(entered, 1000).decode()
        if trouble != "":
            raise OSError(trouble)
        write(str(child))
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(entered)
        os.close(leave)
        os.waitpid(child, 0)


def _make(writer: int, hold: int, leave: int) -> NoReturn:
    """In the child: be in a new user namespace until the parent lets go."""
    os.close(leave)
    try:
        namespaces.unshare(namespaces.CLONE_NEWUSER)
        prctl.allow_inspection()
        os.close(writer)  # the parent reads nothing: all is well
        os.read(hold, 1)
    except OSError as error:
        os.write(writer, str(error).encode())
    finally:
        os._exit(0)


def _single(pid: str) -> None:
    _write(pid, "setgroups", "deny")
    _write(pid, "uid_map", f"0 {os.geteuid()} 1")
    _write(pid, "gid_map", f"0 {os.getegid()} 1")


def _all_of_root() -> Callable[[str], None]:
    """Root maps everybody to themselves."""
    uids, gids = _identity("uid_map"), _identity("gid_map")

    def write(pid: str) -> None:
        _write(pid, "uid_map", uids)
        _write(pid, "gid_map", gids)

    return write


def _subordinate() -> Optional[Callable[[str], None]]:
    """Read the range that /etc/subuid and /etc/subgid give, by the set-uid programs that may map it."""
    helpers = [which(name) for name in _UNMAPPED_HELPERS]
    uids, gids = _range("/etc/subuid"), _range("/etc/subgid")
    if not all(helpers) or uids is None or gids is None:
        return None
    maps = ["0", str(os.geteuid()), "1", "1", *uids], ["0", str(os.getegid()), "1", "1", *gids]

    def write(pid: str) -> None:
        for helper, words in zip(helpers, maps):
            if subprocess.call([str(helper), pid, *words], stdin=subprocess.DEVNULL) != 0:
                raise OSError(f"{helper} refused the range of user ids")

    return write


def _identity(name: str) -> str:
    with open("/proc/self/" + name, encoding="ascii") as file:
        rows = [line.split() for line in file]
    return "\n".join(f"{inside} {inside} {count}" for inside, _, count in rows)


def _range(path: str) -> Optional[List[str]]:
    uid = str(os.geteuid())
    try:
        names = (uid, pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        names = (uid, uid)
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                owner, _, rest = line.strip().partition(":")
                first, _, count = rest.partition(":")
                if owner in names and first.isdigit() and count.isdigit():
                    return [first, count]
    except OSError:
        pass
    return None


def _write(pid: str, name: str, text: str) -> None:
    with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
        file.write(text)
