"""A control group for the processes of one job, where this account may have one: see cgroups(7).

Root may nearly everywhere; an ordinary account where one was delegated to it. Others have RLIMIT_NPROC, which
counts for each user namespace since Linux 5.14 and says nothing to root.
"""

import os
from typing import List, NamedTuple, Optional

_MOUNTS = "/sys/fs/cgroup"


class ControlGroup:
    """A group that bounds the number of processes and threads."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._procs = os.open(os.path.join(directory, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)

    def enter(self) -> None:
        """Have this process in the group, and all that it will start.

        Raises:
            OSError: the kernel does not let it.
        """
        os.write(self._procs, b"0")

    def close(self) -> None:
        """Remove the group; its processes have ended."""
        os.close(self._procs)
        try:
            os.rmdir(self._directory)
        except OSError:
            pass  # the kernel is still about it: an empty group does no harm


def make_group(name: str, processes: int) -> Optional[ControlGroup]:
    """Make a group of this name that holds so many processes; None where that cannot be."""
    for base in _bases():
        if not holds_groups(base):
            continue
        directory = _directory(base.path, name)
        try:
            os.mkdir(directory)
        except OSError:
            continue
        try:
            most = os.open(os.path.join(directory, "pids.max"), os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(most, str(processes).encode("ascii"))
            finally:
                os.close(most)
            return ControlGroup(directory)
        except OSError:
            os.rmdir(directory)
    return None


def forget_group(name: str) -> None:
    """Remove the group of a job whose own wrapper cannot any more."""
    for base in _bases():
        try:
            os.rmdir(_directory(base.path, name))
        except OSError:
            pass  # there is none here


def _directory(base: str, name: str) -> str:
    return os.path.join(base, f"boutiques-engine-{name}")


class ParentGroup(NamedTuple):
    """A group in which one of ours may be made."""

    path: str
    unified: bool  # of version 2


def holds_groups(base: ParentGroup) -> bool:
    """Say whether groups below one can bound processes, and this process may move there.

    In version 2 a group hands on only the controllers of its `subtree_control`, and who moves a process must
    be able to write to the `procs` of what both groups have above them, which is this one.
    """
    procs = os.path.join(base.path, "cgroup.procs")
    if not base.unified:
        return os.path.exists(procs)
    try:
        with open(os.path.join(base.path, "cgroup.subtree_control"), encoding="ascii") as controllers:
            return "pids" in controllers.read().split() and os.access(procs, os.W_OK)
    except OSError:
        return False


def _bases() -> List[ParentGroup]:
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            return bases(file.read())
    except OSError:
        return []


def bases(memberships: str) -> List[ParentGroup]:
    """Return where a group of ours may be made, from /proc/PID/cgroup: in our own, beside it, at the top.

    Beside version 1 (hybrid), version 2 has no controller that bounds processes.
    """
    rows = [line.split(":", 2) for line in memberships.splitlines() if line.count(":") >= 2]
    for _, kinds, path in rows:
        if "pids" in kinds.split(","):
            return [
                ParentGroup(directory, False) for directory in _around(os.path.join(_MOUNTS, "pids"), path)
            ]
    return [
        ParentGroup(directory, True)
        for number, kinds, path in rows
        if (number, kinds) == ("0", "")
        for directory in _around(_MOUNTS, path)
    ]


def _around(mount: str, path: str) -> List[str]:
    own = mount + path.rstrip("/")
    return list(dict.fromkeys([own, os.path.dirname(own) if path.strip("/") else own, mount]))
