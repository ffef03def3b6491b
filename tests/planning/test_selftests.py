"""Do runs of a tool fulfil the tests that its descriptor brings along?"""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.domain.tool import ToolTest
from engine.planning.selftests import ToolTestOutcome, broken_assertions


def test_exit_code_and_md5_are_compared(tmp_path: Path) -> None:
    result = tmp_path / "r"
    result.write_bytes(b"content")
    md5 = hashlib.md5(b"content").hexdigest()
    test = ToolTest("t", {}, exit_code=0, outputs=(("o", md5), ("log", None)))
    assert broken_assertions(test, ToolTestOutcome(0, {"o": [result], "log": [result]})) == []
    assert broken_assertions(test, ToolTestOutcome(3, {"o": [result]})) == [
        "exit code 3 instead of 0",
        "output log was not made",
    ]
    result.write_bytes(b"other")
    assert broken_assertions(test, ToolTestOutcome(0, {"o": [result], "log": [result]})) == [
        f"output o has the md5 {hashlib.md5(b'other').hexdigest()} instead of {md5}"
    ]


def test_a_tool_that_never_started_fails_its_test() -> None:
    assert broken_assertions(ToolTest("t", {}, exit_code=0), ToolTestOutcome(None, {}, "no such image")) == [
        "the tool did not start: no such image"
    ]
