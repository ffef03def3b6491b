"""Submissions that a server has taken: one that comes here again is not sent twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from engine.backends.wms.watch import JobWatch
from engine.ports import Accepted, Rejected, Submission

REMEMBERED = 20_000
"""Submissions whose answer is kept, should somebody ask for the same again."""


class RecentSubmissions:
    """The last of them, by their keys."""

    def __init__(self, watch: JobWatch) -> None:
        self._watch = watch
        self._native_ids: OrderedDict[str, str] = OrderedDict()

    def answers(self, batch: Sequence[Submission]) -> dict[str, Accepted | Rejected]:
        """Return what is known already of these."""
        return {i.key: Accepted(self._native_ids[i.key]) for i in batch if i.key in self._native_ids}

    def note(self, groups: Mapping[str, str], answers: Mapping[str, Accepted | Rejected], at: float) -> None:
        """Remember what was accepted, and watch it. `groups` has the job group of each key, `at` is the time
        by the server's clock.
        """
        new: dict[str, list[str]] = {}
        for key, answer in answers.items():
            if isinstance(answer, Accepted):
                self._native_ids[key] = answer.native_id
                new.setdefault(groups[key], []).append(answer.native_id)
        for group, ids in new.items():
            self._watch.submitted(ids, group, at)
        while len(self._native_ids) > REMEMBERED:
            self._native_ids.popitem(last=False)
