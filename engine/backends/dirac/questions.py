"""What the back-end asks of the DIRAC client, in the words of the port's errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.backends.wms import states, watch
from engine.backends.wms.watch import AnswerPage
from engine.dirac.client import TIMEOUT_S, DiracBridge, DiracRefused
from engine.errors import BackendUnavailable, NotFound, SettingsError, Unavailable

PAGE, CHANGES = 500, 100
"""Jobs of one question, and of one request that changes them: DIRAC deletes twenty a second (measured)."""


class DiracQuestions:
    """`engine.backends.wms.watch.Questions` by a DIRAC client, and the other questions."""

    def __init__(self, bridge: DiracBridge) -> None:
        self._bridge = bridge

    def ask(self, verb: str, *, timeout: float = TIMEOUT_S, **arguments: Any) -> Any:
        """Ask DIRAC, and return the answer.

        Raises:
            Refused, NotFound: DIRAC judges the request so.
            BackendUnavailable, CredentialExpired: as for every back-end. What was asked may have been done.
        """
        try:
            return self._bridge.ask(verb, timeout=timeout, **arguments)
        except (Unavailable, SettingsError) as error:  # settings were right when it was checked
            raise BackendUnavailable(error.message, remedy=error.remedy) from None

    def changed(self, groups: Sequence[str], since: float) -> Iterator[AnswerPage]:
        """Jobs of these groups that have changed since then."""
        answer = self._sure("changed", groups=list(groups), since=since)
        yield from self._pages(answer["numbers"], answer["at"])

    def count_active(self, groups: Sequence[str]) -> int:
        """Count the jobs of these groups that may still move."""
        return len(self._active(groups))

    def active(self, groups: Sequence[str]) -> Iterator[AnswerPage]:
        """Jobs of these groups that may still move, with their names."""
        yield from self._pages(self._active(groups), 0.0)

    def of(self, numbers: Sequence[int]) -> AnswerPage:
        """Read these jobs, as far as they are there."""
        answer = self._sure("of", numbers=list(numbers))
        return AnswerPage(answer["rows"], answer["at"])

    def history(self, number: int) -> list[tuple[float, str]]:
        """Read what has happened to a job, by the server's clock and in its words."""
        try:
            lines = self.ask("history", number=number)
        except (DiracRefused, NotFound):
            return []
        return [states.history_line(*(*line, "", "", "", "", "")[:5]) for line in lines]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Have them killed."""
        self._change("kill", native_ids)

    def delete(self, native_ids: Sequence[str]) -> None:
        """Have them deleted."""
        self._change("delete", native_ids)

    def _change(self, verb: str, native_ids: Sequence[str]) -> None:
        numbers = [int(id_) for id_ in native_ids if id_.isdigit()]
        for start in range(0, len(numbers), CHANGES):
            self._sure(verb, numbers=numbers[start : start + CHANGES])

    def find(self, group: str, keys: Sequence[str]) -> dict[str, list[str]]:
        """Jobs of a group by the names that we gave them, oldest first."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(keys), PAGE):
            for name, number in self._sure("find", group=group, names=list(keys[start : start + PAGE])):
                found.setdefault(name, []).append(str(number))
        return found

    def _active(self, groups: Sequence[str]) -> list[int]:
        numbers: list[int] = self._sure("active", groups=list(groups), states=list(states.ACTIVE))
        return numbers

    def _pages(self, numbers: Sequence[int], at: float) -> Iterator[AnswerPage]:
        """One at least. `at` is when the question for these was asked."""
        for start in range(0, max(len(numbers), 1), watch.PAGE):
            asked = numbers[start : start + watch.PAGE]
            yield AnswerPage(self.of(asked).rows if asked else [], at)

    def _sure(self, verb: str, **arguments: Any) -> Any:
        """Ask a question; one that DIRAC does not understand comes of a version of it that we do not know."""
        try:
            return self.ask(verb, **arguments)
        except DiracRefused as error:
            raise BackendUnavailable(f"DIRAC does not understand us: {error}") from None
