"""When two requests with one key are the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.app.repeated import asks_the_same
from engine.planning import Point
from tests.planning.samples import file, text, tool_of

TOOL = tool_of("x [A] [N]", file("a", list=True, optional=True), text("n", optional=True)).tool
ONE, OTHER = "0" * 32, "f" * 32


def same(given: dict[str, Any], stored: dict[str, Any]) -> bool:
    job: Any = SimpleNamespace(invocation=stored)
    return asks_the_same(TOOL, [Point(0, given, {}, "")], [job])


@pytest.mark.parametrize(
    ("given", "stored", "expected"),
    [
        ({"n": "1"}, {"n": "1"}, True),
        ({"n": "1"}, {"n": 1}, False),
        ({"a": ["/home/me/x.nii"]}, {"a": ["file:///elsewhere/x.nii"]}, True),
        ({"a": ["/home/me/x.nii"]}, {"a": ["/home/me/y.nii"]}, False),
        ({"a": ["x"]}, {"a": ["x", "x"]}, False),
        ({"a": [f"/vip/Home/inputs/{ONE}/x"]}, {"a": [f"/vip/Home/inputs/{ONE}/x"]}, True),
        ({"a": [f"/vip/Home/inputs/{ONE}/x"]}, {"a": [f"https://se/inputs/{OTHER}/x"]}, False),
        ({"a": [f"/vip/Home/inputs/{ONE}/x"]}, {"a": ["/vip/Home/data/x"]}, True),
    ],
)
def test_files_are_the_same_by_name_and_uploaded_ones_by_what_is_in_them(
    given: dict[str, Any], stored: dict[str, Any], expected: bool
) -> None:
    assert same(given, stored) is expected


def test_another_number_of_jobs_is_another_request() -> None:
    assert not asks_the_same(TOOL, [], [SimpleNamespace(invocation={})])  # type: ignore[list-item]
