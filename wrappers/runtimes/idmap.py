"""Which users exist in a user namespace: the caller as root, and others where the node gives a range."""

import os
import pwd
import shutil
import subprocess
from typing import Callable, List, NamedTuple, Optional

from wrappers.runtimes import namespaces

_UNMAPPED_HELPERS = ("newuidmap", "newgidmap")


class IdMap(NamedTuple):
    """A way into a new user namespace, in which the caller is root."""

    kind: str  # "single" or "range", as the report says it
    become: Callable[[], None]  # enters it; raises OSError


def candidates() -> List[IdMap]:
    """What this account may try here, best first."""
    wide = _all_of_root() if os.geteuid() == 0 else _subordinate()
    single = IdMap("single", _become_single)
    return [single] if wide is None else [wide, single]


def _become_single() -> None:
    uid, gid = os.geteuid(), os.getegid()
    namespaces.unshare(namespaces.CLONE_NEWUSER)
    _write("self", "setgroups", "deny")
    _write("self", "uid_map", f"0 {uid} 1")
    _write("self", "gid_map", f"0 {gid} 1")


def _all_of_root() -> Optional[IdMap]:
    """Root maps everybody to themselves."""
    uids, gids = _identity("uid_map"), _identity("gid_map")

    def write(pid: int) -> None:
        _write(str(pid), "uid_map", uids)
        _write(str(pid), "gid_map", gids)

    return IdMap("range", lambda: _become_helped(write))


def _subordinate() -> Optional[IdMap]:
    """The range that /etc/subuid and /etc/subgid give, by the set-uid programs that may map it."""
    helpers = [shutil.which(name) for name in _UNMAPPED_HELPERS]
    uids, gids = _range("/etc/subuid"), _range("/etc/subgid")
    if None in helpers or uids is None or gids is None:
        return None
    maps = ["0", str(os.geteuid()), "1", "1", *uids], ["0", str(os.getegid()), "1", "1", *gids]

    def write(pid: int) -> None:
        for helper, words in zip(helpers, maps):
            if subprocess.call([str(helper), str(pid), *words], stdin=subprocess.DEVNULL) != 0:
                raise OSError(f"{helper} refused")

    return IdMap("range", lambda: _become_helped(write))


def _become_helped(write: Callable[[int], None]) -> None:
    """Enter a namespace whose map a process outside must write: a short-lived child does."""
    waiting, entered = os.pipe()
    pid = os.getpid()
    helper = os.fork()
    if helper == 0:
        try:
            os.close(entered)
            os.read(waiting, 1)  # also returns when the parent has died
            write(pid)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(waiting)
    try:
        namespaces.unshare(namespaces.CLONE_NEWUSER)
    finally:
        os.close(entered)
        status = os.waitpid(helper, 0)[1]
    if status != 0:
        raise OSError("the range of user ids was refused")


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
