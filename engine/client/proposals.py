"""Proposals of pipelines: those of one's own, and what administrators do with everybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from engine.client.requests import Requests

_ADMIN = "admin/proposals"


class Proposals(Requests):
    """Proposals."""

    def propose(
        self, descriptor: Mapping[str, Any], identifier: str = "", note: str = ""
    ) -> Mapping[str, Any]:
        """Propose a descriptor as a pipeline; gives its `id` and the `warnings` that there are.

        Raises:
            BadRequest: it could not be published as it is.
        """
        wanted = {"descriptor": dict(descriptor), "identifier": identifier, "note": note}
        look = "engine pipeline proposals --mine tells"
        return dict(self._json("POST", "proposals", wanted, once=look))

    def my_proposals(self) -> list[Mapping[str, Any]]:
        """One's own proposals, with `state` and `answer`."""
        return list(self._json("GET", "proposals"))

    def withdraw_proposal(self, id_: str) -> None:
        """Take one's own proposal back."""
        self._json("DELETE", f"proposals/{quote(id_, safe='')}")

    def proposals(self, *, decided: bool = False) -> list[Mapping[str, Any]]:
        """List the open proposals of everybody, or also those that are decided; for administrators, like all
        that follows.
        """
        return list(self._json("GET", f"{_ADMIN}?decided={str(decided).lower()}"))

    def proposal(self, id_: str) -> Mapping[str, Any]:
        """One proposal with `lint`, `plan`, `tests` and `descriptor`."""
        return dict(self._json("GET", f"{_ADMIN}/{quote(id_, safe='')}"))

    def publish_proposal(
        self, id_: str, groups: Sequence[str] = (), *, identifier: str = "", replace: bool = False
    ) -> str:
        """Publish what was proposed; gives the identifier of the pipeline."""
        wanted = {"groups": list(groups), "identifier": identifier, "replace": replace}
        look = "engine pipeline list tells"
        proposal = self._json("POST", f"{_ADMIN}/{quote(id_, safe='')}/publish", wanted, once=look)
        return str(proposal["answer"])

    def refuse_proposal(self, id_: str, why: str) -> None:
        """Refuse what was proposed, with words for its user."""
        self._json("POST", f"{_ADMIN}/{quote(id_, safe='')}/refuse", {"reason": why}, once="it is told if so")
