"""What `engine doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """The outcome of one check."""

    check: str
    verdict: str
    message: str
    remedy: str = ""
