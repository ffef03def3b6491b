"""How many jobs must succeed before the one that waits for them runs."""

from __future__ import annotations

import pytest

from engine.domain.need import wanted


@pytest.mark.parametrize(
    ("need", "jobs", "enough"),
    [
        ("all", 3, 3), ("all", 0, 0), ("any", 3, 1), ("any", 0, 0), ("0.9", 10, 9), ("0.9", 11, 10),
        ("0.1", 30, 3), ("0.7", 10, 7), ("1.0", 7, 7), ("5", 3, 5), ("1", 100, 1), ("0.001", 3, 1),
    ],
)  # fmt: skip
def test_a_need_becomes_a_number_of_jobs(need: str, jobs: int, enough: int) -> None:
    assert wanted(need, jobs) == enough
