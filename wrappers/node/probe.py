"""What a node offers, in facts that `engine doctor` explains."""

import os
from typing import Any, Dict

from wrappers import wire
from wrappers.containers.programs import which
from wrappers.containers.timed import responds, why_unreadable
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
        "scratch": _space(scratch),
        "missing": _missing(),
        "programs": {name: path for name, path in ((name, which(name)) for name in PROGRAMS) if path},
        "cvmfs": {path: why_unreadable(path) for path in node.cvmfs},
    }


def _space(path: str) -> Dict[str, Any]:
    if not responds(path):
        return {"path": path, "free": 0, "writable": False, "answers": False}
    try:
        space = os.statvfs(path)
        free = space.f_bavail * space.f_frsize
    except OSError:
        free = 0
    return {"path": path, "free": free, "writable": os.access(path, os.W_OK), "answers": True}


def _missing() -> Dict[str, str]:
    """Find what keeps tools apart and does not work here, with the reason: tried, since switches differ."""
    try:
        from wrappers.runtimes import support
    except ImportError:  # a Python without ctypes
        return {"user namespaces": "this Python has no ctypes"}
    return support.missing()
