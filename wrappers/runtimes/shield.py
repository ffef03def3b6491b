"""The host, read-only for a process that is root and will run a tool which nothing else holds back."""

import os
from pathlib import Path
from typing import List

from wrappers.runtimes import namespaces
from wrappers.runtimes.namespaces import MS_REC, MS_SLAVE

# By number: chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service.
_CAPABILITIES = [0, 1, 3, 4, 5, 6, 7, 10]


def shield(writable: List[Path]) -> None:
    """Enter a mount namespace in which only these directories can be written; files that are open stay so.

    Programs executed from now on cannot undo it: they get no capability to mount, or to make devices. What
    remains to a hostile tool are signals to other processes; where it can, root uses `userns` instead.

    Raises:
        OSError: the kernel (before 5.12) or the lack of privileges does not allow it.
    """
    namespaces.unshare(namespaces.CLONE_NEWNS)
    namespaces.mount("none", "/", flags=MS_REC | MS_SLAVE)
    for path in map(os.path.realpath, map(str, writable)):
        namespaces.bind(path, path)
    namespaces.set_read_only("/")
    for path in map(os.path.realpath, map(str, writable)):
        namespaces.set_writable(path)
    namespaces.drop_capabilities(_CAPABILITIES)
