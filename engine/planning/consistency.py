"""What fields of a descriptor say of each other, where the validator of boutiques would fall over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_BY_VALUE = ("value-requires", "value-disables")


def inconsistencies(data: Mapping[str, Any]) -> Iterator[str]:
    """Lines about ids that are not there, choices that are left out and keys that are shared.

    Args:
        data: a descriptor that the JSON schema accepts.
    """
    inputs = {one["id"]: one for one in data["inputs"]}
    for group in data.get("groups", ()):
        for member in group["members"]:
            if member not in inputs:
                yield f"groups {group['id']}: its member {member} is no input"
    for one in data["inputs"]:
        choices = list(map(str, one.get("value-choices", ())))
        for field in _BY_VALUE if "value-choices" in one else ():
            for choice in choices if field in one else ():
                if choice not in one[field]:
                    yield f"inputs {one['id']}: {field} has no entry for the choice {choice}"
    if not data.get("groups"):
        yield from _shared_keys(data)


def _shared_keys(data: Mapping[str, Any]) -> Iterator[str]:
    owners: dict[str, list[str]] = {}
    for one in (*data["inputs"], *data.get("output-files", ())):
        if one.get("value-key"):
            owners.setdefault(one["value-key"], []).append(one["id"])
    for key, ids in owners.items():
        if len(ids) > 1:
            yield (
                f"{' and '.join(ids)} share the value-key {key} without being in one mutually exclusive group"
            )
