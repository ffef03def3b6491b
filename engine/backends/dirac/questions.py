"""What the back-end asks of the DIRAC client, in the words of the port's errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.backends.wms import states
from engine.backends.wms.watch import Row
from engine.dirac.client import PATIENCE, Door, Refused
from engine.errors import BackendUnavailable, SettingsError, Unavailable

PAGE, CHANGES = 500, 100
"""Jobs of one question, and of one request that changes them: DIRAC deletes twenty a second (measured)."""


class Questions:
    """Implements `engine.backends.wms.watch.Questions`, and asks the rest."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def ask(self, verb: str, *, patience: float = PATIENCE, **arguments: Any) -> Any:
        """An answer.

        Raises:
            Refused, NotFound: DIRAC judges the request so.
            BackendUnavailable, CredentialExpired: as for every back-end. What was asked may have been done.
        """
        try:
            return self._door.ask(verb, patience=patience, **arguments)
        except (Unavailable, SettingsError) as error:  # settings were right when it was checked
            raise BackendUnavailable(error.message, remedy=error.remedy) from None

    def changed(self, groups: Sequence[str], since: float) -> tuple[list[Row], float]:
        """Jobs of these groups that have changed since then, and when that was asked."""
        answer = self._sure("changed", groups=list(groups), since=since)
        return answer["rows"], answer["at"]

    def count_active(self, groups: Sequence[str]) -> int:
        """The number of jobs of these groups that may still move."""
        return len(self._sure("active", groups=list(groups), states=list(states.ACTIVE)))

    def active(self, groups: Sequence[str]) -> list[Row]:
        """Jobs of these groups that may still move, with their names."""
        rows: list[Row] = self._sure("active", groups=list(groups), states=list(states.ACTIVE), named=True)
        return rows

    def of(self, numbers: Sequence[int]) -> tuple[list[Row], float]:
        """These jobs, as far as they are there, and when that was asked."""
        answer = self._sure("of", numbers=list(numbers))
        return answer["rows"], answer["at"]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Ask for the end of these."""
        self.change("kill", native_ids)

    def change(self, verb: str, native_ids: Sequence[str]) -> None:
        """`kill` or `delete`, page by page."""
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

    def _sure(self, verb: str, **arguments: Any) -> Any:
        """A question that DIRAC does not understand is a version of it that we do not know."""
        try:
            return self.ask(verb, **arguments)
        except Refused as error:
            raise BackendUnavailable(f"DIRAC does not understand us: {error}") from None
