"""What `cvmfs_server` says, cut down to the lines that tell what happened, and what to do about it. Pure."""

from __future__ import annotations

import re

_SHOWN = 3  # lines
_LONGEST = 200  # characters of a line
_FRAME = re.compile(r"\S+\s*(?:\([^()]*\))?\s*\[0x[0-9a-f]+\]$")
"""A line of `backtrace_symbols`: the real program prints its stack whenever it throws."""
_INFORMATIVE = re.compile(
    r"error|fail|fatal|panic|cannot|can't|could not|unable|unavailable|denied|refused|invalid|expired|busy"
    r"|not in a |not a |no such|no space|larger than|more than|exists|missing|terminat|file descriptors"
    r"|working directory|it took more",
    re.IGNORECASE,
)


def reason(said: str, ending: str = "") -> str:
    """Keep the lines that say what: no stack frames, commands or progress. `ending` is ours, and stays."""
    lines = _without_noise([line.strip() for line in said.splitlines()])
    informative = [line for line in lines if _INFORMATIVE.search(line)] or lines
    if len(informative) > _SHOWN:  # the first is the cause, the last ones are what came of it
        informative = [informative[0], *informative[1 - _SHOWN :]]
    return "; ".join([line[:_LONGEST] for line in [*informative, ending] if line])


def remedy(said: str) -> str:
    """Say what to do about a failure."""
    if "whitelist" in said:
        return "see to the web server, or type cvmfs_server resign"
    if "ermission" in said:
        return "run as the owner of the repository"
    if "file descriptors" in said or "working directory" in said.lower():
        return "end the programs that work below the repository"
    if "code: 28" in said or "No space" in said:
        return "make room on the stratum 0; the next run goes on"
    if "non-existing path" in said:
        return "lease a path that exists: the setting `to` is cvmfs:REPOSITORY/PATH"
    if "acquire lease" in said:
        return "see to the gateway; a key for a path only wants the setting `to` as cvmfs:REPOSITORY/PATH"
    return "mend it and run the same command again"


def _without_noise(lines: list[str]) -> list[str]:
    kept = []
    command = False
    for line in lines:
        if not command and line and not line.startswith("Stacktrace:") and not _FRAME.match(line):
            if line.startswith("Executed Command"):
                command = True  # it stands on the next line
                continue
            kept.append(line)
        command = False
    return list(dict.fromkeys(kept))
