"""Pipelines of a daemon: those that one may use, and what administrators do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from engine.client.requests import Requests

_ADMIN = "admin/pipelines"


class PipelinesClient(Requests):
    """Pipelines."""

    def pipelines(self) -> list[Mapping[str, Any]]:
        """List the pipelines that may be used."""
        return list(self._json("GET", "pipelines"))

    def pipeline(self, identifier: str) -> Mapping[str, Any]:
        """One pipeline, with its parameters."""
        return dict(self._json("GET", f"pipelines/{quote(identifier)}"))

    def published(self) -> list[Mapping[str, Any]]:
        """Every pipeline that is offered, and to which groups; for administrators, like all that follows."""
        return list(self._json("GET", _ADMIN))

    def publish(
        self,
        descriptor: Mapping[str, Any],
        groups: Sequence[str] = (),
        *,
        identifier: str = "",
        replace: bool = False,
    ) -> Mapping[str, Any]:
        """Offer a descriptor as `identifier`, or as its own `name/tool-version`, to some groups or to
        everybody; gives its `identifier` and the `warnings` that there are. `replace`: a pipeline of that
        identifier which was never used may be replaced.

        Raises:
            BadRequest: it is not valid, or there is another one of this name and version.
        """
        wanted = {
            "descriptor": dict(descriptor),
            "groups": list(groups),
            "identifier": identifier,
            "replace": replace,
        }
        return dict(self._json("POST", _ADMIN, wanted))

    def share(self, identifier: str, groups: Sequence[str]) -> None:
        """Say who may use a pipeline; no group: everybody."""
        self._json("PUT", f"{_ADMIN}/{quote(identifier)}", {"groups": list(groups)})

    def trust(self, identifier: str, *, trusted: bool) -> None:
        """Say whether jobs of a pipeline may run where the tool is not kept apart from the engine."""
        self._json("PUT", f"{_ADMIN}/{quote(identifier)}", {"trusted": trusted})

    def withdraw(self, identifier: str) -> None:
        """Offer a pipeline no more."""
        self._json("DELETE", f"{_ADMIN}/{quote(identifier)}")
