"""Where files of a user belong: the XDG base directory specification, 0.8."""

from __future__ import annotations

import logging
import os
import pwd
from pathlib import Path

APPLICATION = "boutiques-engine"
FORMER = "grid-engine"
"""What it was called. A directory of that name is used while there is none of the present name."""
_NOTED = ".boutiques-engine"
"""A file in such a directory: its user was told."""
logger = logging.getLogger("engine.xdg")


def directory(variable: str, fallback: str) -> Path:
    """Ours below the one that `variable` names, else below `fallback` in the home directory."""
    value = os.environ.get(variable, "")
    base = Path(value) if value.startswith("/") else Path(_home()) / fallback
    former = base / FORMER
    if not os.path.isdir(former) or os.path.isdir(base / APPLICATION):  # not in one that is closed to us
        return base / APPLICATION
    _announce(former)
    return former


def _announce(former: Path) -> None:
    """Warn, once, that a directory has its former name."""
    try:
        os.close(os.open(former / _NOTED, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError:  # it was said already, or cannot be written
        return
    logger.warning(
        "%s is used while it is there: such directories are called %s now; rename it while no engine runs",
        former,
        APPLICATION,
    )


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
