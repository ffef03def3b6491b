"""The tests that a descriptor brings along: did a run of the tool do what they say?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.domain.tool import ToolTest

_CHUNK = 1 << 20


class ToolTestOutcome(NamedTuple):
    """The end of a test run of the tool."""

    exit_code: int | None
    """Of the tool; None when it never started."""
    files: Mapping[str, Sequence[Path]]
    """What was brought back, by output id."""
    message: str = ""
    """Why it failed, for people."""


def broken_assertions(test: ToolTest, outcome: ToolTestOutcome) -> list[str]:
    """List what a test asserts and the run did not fulfil, one line each; empty when it passed."""
    problems = []
    if outcome.exit_code is None:
        problems.append(f"the tool did not start: {outcome.message}")
    elif test.exit_code is not None and outcome.exit_code != test.exit_code:
        problems.append(f"exit code {outcome.exit_code} instead of {test.exit_code}")
    for id, md5 in test.outputs:
        files = outcome.files.get(id, ())
        if not files:
            problems.append(f"output {id} was not made")
        elif md5 is not None and md5.lower() not in {md5_of(file) for file in files}:
            problems.append(f"output {id} has the md5 {md5_of(files[0])} instead of {md5}")
    return problems


def md5_of(path: Path) -> str:
    """Compute the md5 of a file, which Boutiques uses to compare results."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
