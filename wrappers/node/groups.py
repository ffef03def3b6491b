"""A control group for the processes of one job, where this account may have one: see cgroups(7).

Root may nearly everywhere; an ordinary account where one was delegated to it. Others have RLIMIT_NPROC, which
counts for each user namespace since Linux 5.14 and says nothing to root.
"""

import os
from typing import Iterator, List, Optional

_MOUNTS = "/sys/fs/cgroup"


class Group:
    """A group that bounds the number of processes and threads."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._door = os.open(os.path.join(directory, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)

    def enter(self) -> None:
        """Have this process in the group, and all that it will start.

        Raises:
            OSError: the kernel does not let it.
        """
        os.write(self._door, b"0")

    def close(self) -> None:
        """Remove the group; its processes have ended."""
        os.close(self._door)
        try:
            os.rmdir(self._directory)
        except OSError:
            pass  # the kernel is still about it: an empty group does no harm


def make_group(name: str, processes: int) -> Optional[Group]:
    """Make a group of this name that holds so many processes; None where that cannot be."""
    for base in _bases():
        directory = _directory(base, name)
        try:
            os.mkdir(directory)
        except OSError:
            continue
        try:
            with open(os.path.join(directory, "pids.max"), "w", encoding="ascii") as most:
                most.write(str(processes))
            return Group(directory)
        except OSError:
            os.rmdir(directory)  # of a version 2 that hands no such limit on to it
    return None


def forget_group(name: str) -> None:
    """Remove the group of a job whose own wrapper cannot any more."""
    for base in _bases():
        try:
            os.rmdir(_directory(base, name))
        except OSError:
            pass  # there is none here


def _directory(base: str, name: str) -> str:
    return os.path.join(base, f"grid-engine-{name}")


def _bases() -> Iterator[str]:
    """Where a group of ours may be made: in our own, beside it, at the top."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for number, kinds, path in rows:
        if "pids" in kinds.split(","):
            yield from _around(os.path.join(_MOUNTS, "pids"), path)
        elif number == "0":
            yield from _around(_MOUNTS, path)


def _around(mount: str, path: str) -> List[str]:
    own = mount + path.rstrip("/")
    return list(dict.fromkeys([own, os.path.dirname(own) if path.strip("/") else own, mount]))
