"""The environment in which a DIRAC client works: ours, or what its `diracosrc` makes of an empty one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from engine.errors import SettingsError, Unavailable

TIMEOUT_S = 60.0
"""Seconds for a `diracosrc`; on CVMFS the first reading may take a while."""

_OURS = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH")
"""Of this Python, which would mislead another one."""
_KEPT = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "X509_CERT_DIR", "X509_VOMS_DIR")
_SOURCE = '. "$1" >&2 && exec /usr/bin/env -0'
"""All that a shell is told; the file is an argument."""


def environment(source: Path | None, proxy: Path | None) -> dict[str, str]:
    """Read the variables for DIRAC's Python. `source` is a file to source, `proxy` who we are.

    Raises:
        SettingsError: the file is not there, or fails.
        Unavailable: it takes too long.
    """
    if source is None:
        found = {name: value for name, value in os.environ.items() if name not in _OURS}
    else:
        found = _sourced(source)
    if proxy is not None:
        found["X509_USER_PROXY"] = str(proxy)
    return found


def _sourced(source: Path) -> dict[str, str]:
    if not source.is_file():
        raise SettingsError(f"setting diracosrc of a dirac back-end: {source} is no file")
    clean = {name: os.environ[name] for name in _KEPT if name in os.environ}
    clean["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    try:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", _SOURCE, "bash", str(source)],
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{source} takes more than {TIMEOUT_S:.0f} s to source") from None
    except OSError as error:
        raise SettingsError(
            f"setting diracosrc of a dirac back-end: bash cannot be started: {error.strerror}"
        ) from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        why = words[-1][:200] if words else f"exit code {done.returncode}"
        raise SettingsError(f"setting diracosrc of a dirac back-end: {source} cannot be sourced: {why}")
    pairs = (entry.partition(b"=") for entry in done.stdout.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
