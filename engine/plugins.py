"""Plug-ins by entry point: our own back-ends and storages are found like anybody's."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from engine.errors import BadRequest

_CALLED = {"backends": "kind of back-ends", "catalogues": "catalogue", "storages": "storage"}


def load(group: str, name: str) -> Any:
    """Find the object that is registered under `name` in `engine.<group>`.

    Raises:
        BadRequest: nothing is, several packages claim the name, or it cannot be imported; says what there is.
    """
    points = _points(f"engine.{group}")
    found = {point.value: point for point in points if point.name == name}
    if len(found) > 1:
        packages = " and ".join(sorted(point.dist.name if point.dist else "?" for point in found.values()))
        raise BadRequest(
            f"{_CALLED[group]} {name!r} is registered by {packages}", remedy="uninstall one of them"
        )
    for point in found.values():
        try:
            return point.load()
        except Exception as error:  # it is another's code
            words = f"{_CALLED[group]} {name!r} cannot be loaded: {type(error).__name__}: {error}"
            remedy = f"mend or uninstall {point.dist.name}" if point.dist else ""
            raise BadRequest(words, remedy=remedy) from None
    known = ", ".join(sorted({point.name for point in points})) or "none"
    raise BadRequest(f"no {_CALLED[group]} named {name!r}", remedy=f"installed: {known}")


@lru_cache(maxsize=8)
def _points(group: str) -> tuple[EntryPoint, ...]:
    """Every installed one; looking takes 10 ms."""
    return tuple(entry_points(group=group))
