"""Whether a key that was used before stands for the same request."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from engine.domain.tool import InputType, Tool
from engine.planning import Point
from engine.store.jobs import Job


def asks_the_same(tool: Tool, points: Iterable[Point], jobs: Iterable[Job]) -> bool:
    """Say whether the points of a request are those of the jobs that were written for the same tool.

    Files are compared by their bare names: the same one may be written in several ways.
    """
    files = frozenset(one.id for one in tool.inputs if one.type is InputType.FILE)
    for point, job in zip_longest(points, jobs):
        if point is None or job is None or point.problem:
            return False
        given = {id: job.invocation.get(id) for id in point.invocation}
        if _compared(point.invocation, files) != _compared(given, files):
            return False
    return True


def _compared(invocation: dict[str, Any], files: frozenset[str]) -> str:
    named = {id: _bare(value) if id in files else value for id, value in invocation.items()}
    return json.dumps(named, sort_keys=True)


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(entry) for entry in value]
    return posixpath.basename(value.rstrip("/")) if isinstance(value, str) else value
