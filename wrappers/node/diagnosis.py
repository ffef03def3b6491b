"""Why a tool failed, when it was not its own fault: what this node's limits and disks tell afterwards."""

import os
import resource
import signal
from typing import Optional, Sequence

from wrappers import causes, wire

FULL = 1 << 20  # bytes: with less free space, a tool's failure is blamed on the disk
_PROBE = f"{wire.OWN}probe"


def of_tool(code: int, seconds: float, directories: Sequence[str]) -> str:
    """Give the cause of a tool's failure that is the node's fault; "" when it is the tool's own.

    `code` is its exit code as a shell says it, `seconds` are those of its processes on a processor, and
    `directories` are those that it or its logs are in. A limit that is not the account's is the tool's own.
    """
    size, time = _limit(resource.RLIMIT_FSIZE), _limit(resource.RLIMIT_CPU)
    if size is not None and (code == 128 + signal.SIGXFSZ or _has_file_of(size, directories)):
        return "file-size"
    if time is not None:
        used_up = seconds >= 0.8 * time  # the kernel counts in ticks
        if code == 128 + signal.SIGXCPU or (code == 128 + signal.SIGKILL and used_up):
            return "cpu-time"
    return next((cause for cause in map(_of_disk, directories) if cause), "")


def _limit(kind: int) -> Optional[int]:
    soft, _ = resource.getrlimit(kind)
    return None if soft == resource.RLIM_INFINITY else soft


def _has_file_of(size: int, directories: Sequence[str]) -> bool:
    """Say whether a file has become as large as it may: not every tool ends by the signal."""
    paths = [os.path.join(at, name) for top in directories for at, _, names in os.walk(top) for name in names]
    return any(os.path.isfile(path) and os.path.getsize(path) >= size for path in paths)


def _of_disk(directory: str) -> str:
    """Say whether a directory can still be written: a quota is seen only by writing."""
    probe = os.path.join(directory, _PROBE)
    try:
        space = os.statvfs(directory)
        if space.f_bavail * space.f_frsize < FULL or (space.f_files and not space.f_favail):
            return "no-space"
        try:
            with open(probe, "wb") as file:
                file.write(bytes(1 << 16))
        finally:
            if os.path.lexists(probe):
                os.unlink(probe)
    except OSError as error:
        return causes.of_limit(error)
    return ""
