"""Which jobs of the levels before it each job waits for, while jobs are numbered."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

_AXIS = "sub"


@dataclass(slots=True)
class _Step:
    """Jobs of one level, in one combination of all other parameters."""

    by_participant: dict[str | None, list[tuple[int, Mapping[str, str]]]] = field(default_factory=dict)

    def add(self, number: int, point: Mapping[str, str]) -> None:
        self.by_participant.setdefault(point.get(_AXIS), []).append((number, point))

    def of(self, point: Mapping[str, str]) -> list[int]:
        """Numbers of the jobs at the same places, where both have a place on an axis."""
        if not point:
            return sorted(number for some in self.by_participant.values() for number, _ in some)
        near = self.by_participant.get(point.get(_AXIS), []) + self.by_participant.get(None, [])
        return [
            number for number, other in near if all(other.get(axis, at) == at for axis, at in point.items())
        ]


class Readers:
    """The jobs so far. A job waits for those of the level before it at its own places; and, where that level
    runs once, for its own places in the last level that does not.
    """

    def __init__(self) -> None:
        self._steps: dict[Hashable, list[_Step]] = {}

    def waits_for(self, branch: Hashable, step: int, point: Mapping[str, str], number: int) -> list[int]:
        """List the numbers of the jobs that a new one waits for; `branch` tells combinations of all other
        parameters apart. Levels come in order.
        """
        steps = self._steps.setdefault(branch, [])
        while len(steps) <= step:
            steps.append(_Step())
        steps[step].add(number, point)
        if not step:
            return []
        found = steps[step - 1].of(point)
        if point and None in steps[step - 1].by_participant:
            own = (one for one in reversed(steps[: step - 1]) if None not in one.by_participant)
            found += next((one.of(point) for one in own), [])
        return sorted(found)
