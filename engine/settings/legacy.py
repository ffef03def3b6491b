"""Keys of the release before, which this one still reads: back-ends at the top, other names (`renamed`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.settings import renamed
from engine.settings.renamed import Keys

OLD = ("local", "dirac", "diracx")
"""Sections that are now below `backends`, under the same names."""
_WANTED = {"dirac": ("command", "diracosrc"), "diracx": ("url",)}
"""What had to be set, any of it, for a back-end to be there."""


def new_keys(keys: Keys) -> Keys:
    """Find where a setting of the release before is now."""
    return renamed.new_name(("backends", *keys) if keys[0] in OLD else keys)


def translated(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Write a tree of settings in today's keys; where both say something, today's keys win."""
    backends = tree.get("backends") or {}
    old = {name: tree[name] for name in OLD if tree.get(name) is not None}
    if not old or not isinstance(backends, Mapping):
        return with_new_names(tree)
    moved = {name: _over(section, backends.get(name)) for name, section in old.items()}
    rest = {key: value for key, value in tree.items() if key not in OLD}
    return with_new_names({**rest, "backends": {**backends, **moved}})


def without_unused(tree: Mapping[str, Any], old: Sequence[str]) -> dict[str, Any]:
    """Leave out the back-ends of old keys which were not there, since what they need is not set."""
    backends = tree.get("backends")
    if not isinstance(backends, Mapping):
        return dict(tree)
    kept = {
        name: section
        for name, section in backends.items()
        if not (name in old and name in _WANTED and isinstance(section, Mapping))
        or any(section.get(key) for key in _WANTED[name])
    }
    return {**tree, "backends": kept}


def warnings(file: str, tree: Mapping[str, Any], variables: Mapping[Keys, str]) -> list[str]:
    """Say of each old key in a file, and of each old variable, what is to be written now."""
    late = "the next release does not read it:"
    lines = [f"{file}: {name}: {late} write it as backends.{name}" for name in OLD if name in tree]
    for keys, new in _renamed(tree):
        lines.append(f"{file}: {'.'.join(keys)}: {late} write it as {'.'.join(new)}")
    for keys, variable in variables.items():
        if new_keys(keys) != keys:
            lines.append(f"variable {variable}: {late} write {variable_of(new_keys(keys))}")
    return lines


def with_new_names(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Write a tree of settings, whose sections are today's, in today's names."""
    return dict(renamed.with_new_names(tree))


def variable_of(keys: Keys) -> str:
    """Name the variable of a setting."""
    return "ENGINE_" + "__".join(keys).upper()


def _renamed(tree: Mapping[str, Any]) -> Iterator[tuple[Keys, Keys]]:
    """Yield the old names in a tree as they are written there, each with the new one."""
    yield from renamed.written(tree)
    for name in OLD:
        for keys, new in renamed.written(tree.get(name), ("backends", name)):
            yield keys[1:], new


def _over(section: Any, winner: Any) -> Any:
    """Lay what today's key says over what the old one says."""
    if winner is None:
        return section
    if not (isinstance(section, Mapping) and isinstance(winner, Mapping)):
        return winner
    return {**section, **{key: _over(section.get(key), value) for key, value in winner.items()}}
