"""What lint finds in a descriptor."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING = "error", "warning"


class LintFinding(NamedTuple):
    """A trap in a descriptor."""

    rule: str
    level: str
    """error: jobs are refused; warning: they may not do what is meant."""
    where: str
    """The field of the descriptor."""
    message: str
