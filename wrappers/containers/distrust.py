"""Pre-deployed images that a node could not read lately, noted in its cache: the next job pulls them."""

import os
import time
from pathlib import Path

from wrappers.containers.cvmfs import directory_name

_LOCATION = "unreadable"
_FORGOTTEN_S = 3600.0  # seconds: the file system may have been mended


def note(cache: Path, digest: str, why: str) -> None:
    """Write it down, where that is possible."""
    file = cache / _LOCATION / directory_name(digest)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.{os.getpid()}")
        new.write_text(why, encoding="utf-8")
        os.replace(str(new), str(file))
    except OSError:
        pass  # then the next job finds it out for itself


def why(cache: Path, digest: str) -> str:
    """Return what was found; "" when nothing was, or long ago."""
    file = cache / _LOCATION / directory_name(digest)
    try:
        if time.time() - file.stat().st_mtime > _FORGOTTEN_S:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
