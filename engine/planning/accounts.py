"""Programs that become another user: whether they can is told while planning, by the runtimes in question."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CHANGES = re.compile(
    r"(?:^|[;&|({\n`]|\b(?:exec|then|do|else|time|env|nohup)\s)\s*(?:\S*/)?"
    r"(su|gosu|su-exec|runuser|setpriv|sudo)(?=\s)"
)
_AS_THE_ACCOUNT = ("docker", "apptainer", "singularity", "none")
"""Runtimes in which a tool is the account itself, who may become nobody else."""


def warnings(command_line: str, runtimes: Sequence[str]) -> tuple[str, ...]:
    """Say what becomes of a command line that changes its user; `runtimes` are those that may run it."""
    found = _CHANGES.search(command_line)
    if found is None:
        return ()
    begins = f"the command becomes another user ({found[1]})"
    if all(runtime in _AS_THE_ACCOUNT for runtime in runtimes):
        names = ", ".join(runtimes)
        return (f"{begins}, which cannot work with {names}: the tool is the account itself there",)
    return (
        f"{begins}: where the account has no range of user ids (/etc/subuid), what it starts goes on as root",
    )
