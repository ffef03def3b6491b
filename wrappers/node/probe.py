"""What a node offers, in facts that `engine doctor` explains."""

import os
import shutil
from typing import Any, Dict

from wrappers import wire
from wrappers.node.host import identify

PROGRAMS = ("apptainer", "singularity", "podman", "docker", "proot", "newuidmap", "newgidmap")


def probe(node: wire.Node) -> Dict[str, Any]:
    """Facts about this machine that decide which jobs can run here, and how."""
    who = identify()
    scratch = node.scratch or os.getcwd()
    return {
        "host": dict(who.host, site=node.site),
        "wrapper_sha256": who.wrapper_sha256,
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "scratch": {"path": scratch, "free": _free(scratch), "writable": os.access(scratch, os.W_OK)},
        "user_namespaces": _user_namespaces(),
        "programs": {name: path for name, path in ((name, shutil.which(name)) for name in PROGRAMS) if path},
        "cvmfs": {path: os.path.isdir(path) for path in node.cvmfs},
    }


def _free(path: str) -> int:
    try:
        space = os.statvfs(path)
    except OSError:
        return 0
    return space.f_bavail * space.f_frsize


def _user_namespaces() -> bool:
    """Whether an unprivileged process may make a user namespace here: tried, since switches differ."""
    try:
        import ctypes
    except ImportError:
        return False
    pid = os.fork()
    if pid == 0:
        clone_newuser = 0x10000000
        os._exit(0 if ctypes.CDLL(None).unshare(clone_newuser) == 0 else 1)
    return os.waitpid(pid, 0)[1] == 0
