"""The file of figures shows the last runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import figures


def test_the_last_five_runs_of_each_benchmark_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(7):
        run = figures.begin("speed")
        figures.row("jobs a second", f"{number}", ">= 3", number >= 3)
        figures.end(run, tmp_path)
    other = figures.begin("memory")
    figures.row("largest", "9 MB", "<= 10 MB", True)
    figures.end(other, tmp_path)
    lines = (tmp_path / "figures.md").read_text().splitlines()
    assert "| jobs a second | 2 ! | 3 | 4 | 5 | 6 | >= 3 |" in lines
    assert "| largest | 9 MB | <= 10 MB |" in lines
    assert "ok    largest" in capsys.readouterr().out
