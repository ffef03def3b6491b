"""Why a tool failed, when it was not its own fault: what this node tells of its disks afterwards."""

import os
import signal
from typing import Optional, Sequence

from wrappers import causes

FULL = 1 << 20  # bytes: with less free space, a tool's failure is blamed on the disk
_PROBE = ".grid-engine-probe"


def of_tool(number: Optional[int], directories: Sequence[str]) -> str:
    """Give the cause of a tool's failure that is the node's fault; "" when it is the tool's own.

    `number` is the signal that ended it, and `directories` are those that it or its logs are in.
    """
    if number == signal.SIGXFSZ:
        return "file-size"
    return next((cause for cause in map(_of_disk, directories) if cause), "")


def _of_disk(directory: str) -> str:
    """Whether a directory can still be written: a quota is seen only by writing."""
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
