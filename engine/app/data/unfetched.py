"""Files and directories of this machine as inputs: what is there, and what only seems to be.

A data set of DataLad or git-annex has links to contents that may not have been fetched yet. What somebody
asked for itself is never left out; of a directory the rest is used.
"""

from __future__ import annotations

import glob
import logging
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from engine.domain.bids import PARTICIPANTS, ROOT, is_app
from engine.domain.tool import Tool
from engine.planning.bids import SESSIONS
from wrappers.transfer.errors import Permanent
from wrappers.transfer.tree import look

log = logging.getLogger("engine.files")

_ANNEX = "/annex/objects/"
_LONGEST_POINTER = 32_768
"""Bytes that git-annex reads of a file to see whether it stands for content that is elsewhere."""
_SHOWN = 3
_MOST_LINKS = 40  # as the kernel


def problem_of(path: str) -> str:
    """Tell why a path cannot be an input; "" when it can. What is left out of a directory is logged."""
    if not os.path.exists(path):
        if _ANNEX in os.path.realpath(path):
            return _get(path)
        if os.path.lexists(path):
            return "a link that leads nowhere"
        return "no such file" + (" (a pattern is written glob:PATTERN)" if glob.has_magic(path) else "")
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "neither a file nor a directory"
    if not os.access(path, os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)):
        return "may not be read by this user"
    if stat.S_ISDIR(mode):
        return _look_into(path)
    return _get(path) if _is_pointer(path) else ""


def participants(tool: Tool, invocation: Mapping[str, Any], lacks: Callable[[str], bool]) -> list[str]:
    """Tell which participants of a BIDS data set are asked for and were not fetched; `lacks` is
    `lacks_content`, or remembers its answers.
    """
    if not is_app(tool):
        return []
    sessions = [f"ses-{one.removeprefix('ses-')}" for one in _texts(invocation.get(SESSIONS))] or [""]
    parts = [
        os.path.join(root, f"sub-{label.removeprefix('sub-')}", session).rstrip("/")
        for root in _texts(invocation.get(ROOT))
        for label in _texts(invocation.get(PARTICIPANTS))
        for session in sessions
        if os.path.isabs(root)
    ]
    return [f"input {PARTICIPANTS}: {part}: {_get(part)}" for part in parts if lacks(part)]


def _get(path: str) -> str:
    return f"its content was not fetched; type `datalad get {shlex.quote(_annexed(path))}`"


def _annexed(path: str) -> str:
    """Return the name in its data set, where another link leads to that."""
    for _ in range(_MOST_LINKS):
        if not os.path.islink(path):
            return path
        target = os.path.join(os.path.realpath(os.path.dirname(path)), os.readlink(path))
        if _ANNEX in os.path.normpath(target):
            return path
        path = os.path.normpath(target)
    return path


def _look_into(path: str) -> str:
    try:
        found = look(path)
    except Permanent as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    if found.closed:
        return f"{found.closed} may not be read by this user"
    if found.left_out:
        if not found.files and lacks_content(path):
            return _get(path)
        log.warning("%s", _message(path, found.left_out))
    return ""


def _message(path: str, left_out: Sequence[str]) -> str:
    count = len(left_out)
    more = ", ..." if count > _SHOWN else ""
    entries = "entry is" if count == 1 else "entries are"
    return f"{path}: {count} {entries} left out of this input: {', '.join(left_out[:_SHOWN])}{more}"


def lacks_content(directory: str) -> bool:
    """Tell whether something below was not fetched."""
    if not os.path.isdir(directory):
        return _ANNEX in os.path.realpath(directory)
    return any(
        _is_pointer(path) if os.path.isfile(path) else _ANNEX in os.path.realpath(path)
        for path in _below(directory)
    )


def _below(directory: str) -> Iterator[str]:
    """Files and links below a directory; links are not followed."""
    for parent, directories, files in os.walk(directory):
        links = [name for name in directories if os.path.islink(os.path.join(parent, name))]
        yield from (os.path.join(parent, name) for name in [*files, *links])


def _is_pointer(path: str) -> bool:
    """Say whether a file only names content of git-annex: what an unlocked file is until it is fetched."""
    try:
        if os.path.getsize(path) > _LONGEST_POINTER:
            return False
        with open(path, "rb") as file:
            return file.read(len(_ANNEX)) == _ANNEX.encode()
    except OSError:
        return False


def _texts(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
