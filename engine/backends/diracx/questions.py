"""What the back-end asks of a DiracX server, waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from engine.backends.diracx.client import DiracxClient
from engine.backends.diracx.search import Filter, later, one_of, pages, search, summary
from engine.backends.diracx.status import change
from engine.backends.diracx.submit import find
from engine.backends.wms import states
from engine.backends.wms.watch import FIELDS, PAGE, AnswerPage

STATUSES = 200
"""Jobs of one change of states: the time that DiracX takes grows faster than their number (measured)."""


class DiracxQuestions:
    """`engine.backends.wms.watch.Questions` over HTTP."""

    def __init__(self, client: DiracxClient) -> None:
        self._client = client

    def changed(self, groups: Sequence[str], since: float) -> Iterator[AnswerPage]:
        """Jobs of these groups that have changed since then."""
        moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return self._pages([one_of("JobGroup", groups), later("LastUpdateTime", moment)], FIELDS)

    def count_active(self, groups: Sequence[str]) -> int:
        """Count the jobs of these groups that may still move."""
        filters = [one_of("JobGroup", groups), one_of("Status", states.ACTIVE)]
        counts = self._client.run(summary(self._client, filters, ["Status"]))
        return sum(row["count"] for row in counts)

    def active(self, groups: Sequence[str]) -> Iterator[AnswerPage]:
        """Jobs of these groups that may still move, with their names."""
        filters = [one_of("JobGroup", groups), one_of("Status", states.ACTIVE)]
        return self._pages(filters, [*FIELDS, "JobName"])

    def of(self, numbers: Sequence[int]) -> AnswerPage:
        """Read these jobs, as far as they are there."""
        return self._client.run(search(self._client, [one_of("JobID", numbers)], FIELDS))

    def find(self, group: str, keys: Sequence[str]) -> dict[str, list[str]]:
        """Jobs of a group by the names that we gave them, oldest first."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(keys), PAGE):
            found |= self._client.run(find(self._client, group, keys[start : start + PAGE]))
        return found

    def history(self, number: int) -> list[tuple[float, str]]:
        """Read what has happened to a job, by the server's clock and in its words."""
        page = self._client.run(search(self._client, [one_of("JobID", [number])], ["JobID", "LoggingInfo"]))
        return [_line(line) for row in page.rows for line in row.get("LoggingInfo") or []]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Have them killed."""
        self._change(native_ids, ["Killed"])

    def delete(self, native_ids: Sequence[str]) -> None:
        """Have them deleted; only what does not run can be."""
        self._change(native_ids, ["Killed", "Deleted"])

    def _change(self, native_ids: Sequence[str], states: Sequence[str]) -> None:
        ids = [id_ for id_ in native_ids if id_.isdigit()]
        for start in range(0, len(ids), STATUSES):
            self._client.run(change(self._client, ids[start : start + STATUSES], states))

    def _pages(self, filters: Sequence[Filter], fields: Sequence[str]) -> Iterator[AnswerPage]:
        answers = pages(self._client, filters, fields)

        async def following() -> AnswerPage | None:
            return await anext(answers, None)

        while (page := self._client.run(following())) is not None:
            yield page


def _line(line: Mapping[str, str]) -> tuple[float, str]:
    parts = ("Status", "MinorStatus", "ApplicationStatus", "StatusTime", "Source")
    return states.history_line(*(line.get(part) or "" for part in parts))
