"""Who we are: the facts of this machine and of this wrapper that every report carries."""

import hashlib
import os
import sys
from typing import Dict, NamedTuple


class HostIdentity(NamedTuple):
    """Read once per process, before any fork."""

    host: Dict[str, str]
    wrapper_sha256: str  # "" when not run from a built wrapper


def identify() -> HostIdentity:
    """Look at the machine and at the archive that we run from."""
    system = os.uname()
    host = {
        "name": system.nodename,
        "kernel": f"{system.sysname} {system.release} {system.machine}",
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "cpu": _field("/proc/cpuinfo", "model name", ":"),
        "python": ".".join(map(str, sys.version_info[:3])),
    }
    return HostIdentity({key: value for key, value in host.items() if value}, _archive_sha256())


def _field(path: str, key: str, separator: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, found, value = line.partition(separator)
                if found and name.strip() == key:
                    return value.strip()
    except OSError:
        pass  # not every system has it; the report goes without
    return ""


def _archive_sha256() -> str:
    archive = sys.path[0] if sys.path else ""
    if not os.path.isfile(archive):
        return ""
    with open(archive, "rb") as data:
        return hashlib.sha256(data.read()).hexdigest()
