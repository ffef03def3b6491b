"""Whether a key that was used before stands for the same request."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from engine.domain.tool import InputType, Tool
from engine.planning import Point
from engine.store.jobs import Job

_DIGEST = re.compile("[0-9a-f]{32}")


def asks_the_same(tool: Tool, points: Iterable[Point], jobs: Iterable[Job]) -> bool:
    """Say whether the points of a request are those of the jobs that were written for the same tool.

    Files are compared by their bare names: the same one may be written in several ways. Uploaded ones lie in
    a directory called by what is in them (`engine/cli/remote_inputs.py`), which must be the same too.
    """
    files = frozenset(one.id for one in tool.inputs if one.type is InputType.FILE)
    for point, job in zip_longest(points, jobs):
        if point is None or job is None or point.problem:
            return False
        given = {id: job.invocation.get(id) for id in point.invocation}
        for id, value in point.invocation.items():
            same = _same_file if id in files else _same_value
            if not same(value, given[id]):
                return False
    return True


def _same_value(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _same_file(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_file, one, other))
    if not isinstance(one, str) or not isinstance(other, str):
        return _same_value(one, other)
    (above, name), (above_other, name_other) = _parts(one), _parts(other)
    uploaded = _DIGEST.fullmatch(above) and _DIGEST.fullmatch(above_other)
    return name == name_other and (above == above_other or not uploaded)


def _parts(path: str) -> tuple[str, str]:
    """Split off the name, and the name of the directory above it."""
    above, _, name = path.rstrip("/").rpartition("/")
    return posixpath.basename(above), name
