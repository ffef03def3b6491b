"""Programs of the node, found without waiting for directories of PATH that do not answer."""

import glob
import os
import shutil
from typing import Iterable, Mapping, Optional

from wrappers.containers.timed import at, responds


def which(name: str, path: Optional[str] = None) -> str:
    """Look for a program on PATH, or another such list; "" when it is not there."""
    listed = path if path is not None else os.environ.get("PATH", os.defpath)
    directories = [directory for directory in listed.split(os.pathsep) if responds(directory)]
    return shutil.which(name, path=os.pathsep.join(directories)) or ""


def newest(patterns: Iterable[str]) -> str:
    """Look for the first of these patterns that something fits; of several files the last one by name."""
    for pattern in patterns:
        try:
            found = at(pattern, lambda alive: sorted(glob.glob(pattern))[-1:])  # noqa: B023 - used at once
        except OSError:
            continue
        if found:
            return str(found[0])
    return ""


def dirac_python(environment: Mapping[str, str]) -> Optional[str]:
    """Find the Python of DIRAC's client: of its DIRACOS, or the one that its commands begin with."""
    bundled = environment.get("DIRACOS", "")
    if bundled and responds(bundled) and os.access(os.path.join(bundled, "bin", "python"), os.X_OK):
        return os.path.join(bundled, "bin", "python")
    command = which("dirac-proxy-info", environment.get("PATH", os.defpath))
    try:
        with open(command, "rb") as file:
            first = file.readline(1000).decode("utf-8", "replace").strip()
    except OSError:
        return None
    program = first[2:].strip() if first.startswith("#!") else ""
    return program if "python" in os.path.basename(program) and os.access(program, os.X_OK) else None
