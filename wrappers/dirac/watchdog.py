"""DIRAC's watchdog ends jobs that use little CPU time: it must not while files are on their way.

Source: DIRAC.WorkloadManagementSystem.JobWrapper.Watchdog (8 and 9): the check is off while a file of this
name is in the directory in which the job was started.
"""

import os
from typing import FrozenSet

NAME = "DISABLE_WATCHDOG_CPU_WALLCLOCK_CHECK"
TRANSFERS: FrozenSet[str] = frozenset(("inputs", "image", "deliver"))  # phases that wait for the network


class Switch:
    """The file that switches the check off."""

    def __init__(self, directory: str) -> None:
        self._path = os.path.join(directory, NAME)
        self._ours = False

    def phase(self, name: str) -> None:
        """Off in phases that transfer, on in all others. A file that somebody else has put there stays."""
        try:
            if name in TRANSFERS and not os.path.lexists(self._path):
                os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
                self._ours = True
            elif name not in TRANSFERS and self._ours:
                self._ours = False
                os.unlink(self._path)
        except OSError:
            pass  # a directory that cannot be written: the watchdog looks as always
