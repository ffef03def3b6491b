"""Where files of a user belong: the XDG base directory specification, 0.8."""

from __future__ import annotations

import os
from pathlib import Path

APPLICATION = "grid-engine"


def directory(variable: str, fallback: str) -> Path:
    """Ours below the one that `variable` names, else below `fallback` in the home directory."""
    value = os.environ.get(variable, "")
    base = Path(value) if value.startswith("/") else Path(os.path.expanduser("~")) / fallback
    return base / APPLICATION
