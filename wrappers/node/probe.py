"""What a node offers, in facts that `engine doctor` explains."""

import os
from typing import Any, Dict

from wrappers import wire
from wrappers.containers.timed import trouble
from wrappers.node.host import identify
from wrappers.runtimes.programs import which

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
        "missing": _missing(),
        "programs": {name: path for name, path in ((name, which(name)) for name in PROGRAMS) if path},
        "cvmfs": {path: trouble(path) for path in node.cvmfs},
    }


def _free(path: str) -> int:
    try:
        space = os.statvfs(path)
    except OSError:
        return 0
    return space.f_bavail * space.f_frsize


def _missing() -> Dict[str, str]:
    """What keeps tools apart and does not work here, with the reason: tried, since switches differ."""
    try:
        from wrappers.runtimes import support
    except ImportError:  # a Python without ctypes
        return {"user namespaces": "this Python has no ctypes"}
    return support.missing()
