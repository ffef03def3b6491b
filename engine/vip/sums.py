"""The sums of an execution's ended jobs, as the table Stats has them. Decisions only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from engine.store.driven import Try
from engine.vip.columns import bounded
from engine.vip.states import column_of_stats

_PARTS = {"inputs": "it", "image": "it", "run": "et", "outputs": "ot", "deliver": "ot"}
_LONGEST_S = 1e9
"""Seconds of one attempt, at most."""


def of_tries(tries: Iterable[Try]) -> Mapping[str, int]:
    """Count attempts by how they ended, with their seconds of waiting, execution, input and output."""
    seconds: defaultdict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    for one in tries:
        column = column_of_stats(one.state, one.failure)
        if not column:
            continue
        report: Mapping[str, Any] = one.report or {}
        counts[column] += 1
        began = float(report.get("started") or one.running_at or one.updated_at)
        seconds[f"{column}_wt"] += bounded(began - one.created_at, _LONGEST_S)
        for phase in report.get("phases", ()):
            if part := _PARTS.get(phase["name"]):
                seconds[f"{column}_{part}"] += bounded(float(phase["seconds"]), _LONGEST_S)
    return {**counts, **{name: round(value) for name, value in seconds.items()}}
