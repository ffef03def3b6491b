"""Plug-ins by entry point: our own back-ends and storages use the same door as anybody's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from engine.errors import BadRequest


def load(group: str, name: str) -> Any:
    """The object that is registered under `name` in `engine.<group>`.

    Raises:
        BadRequest: nothing is, or it cannot be imported; says what there is.
    """
    found = entry_points(group=f"engine.{group}")
    for point in found:
        if point.name == name:
            try:
                return point.load()
            except ImportError as error:
                raise BadRequest(f"{group} {name} cannot be loaded: {error}") from None
    known = ", ".join(sorted(point.name for point in found)) or "none"
    raise BadRequest(f"no {group} named {name}", remedy=f"installed: {known}")
