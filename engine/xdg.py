"""Where files of a user belong: the XDG base directory specification, 0.8."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

APPLICATION = "grid-engine"


def directory(variable: str, fallback: str) -> Path:
    """Ours below the one that `variable` names, else below `fallback` in the home directory."""
    value = os.environ.get(variable, "")
    base = Path(value) if value.startswith("/") else Path(_home()) / fallback
    return base / APPLICATION


def _home() -> str:
    """Return the home directory, of the environment or else of the account; a path that nobody has, without
    one.

    `~` as it stands, or another relative path, would be a directory wherever the command is typed.
    """
    home = os.environ.get("HOME", "")
    if home.startswith("/"):
        return home
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = ""
    return home if home.startswith("/") else "/nonexistent"
