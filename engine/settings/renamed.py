"""Settings that have another name now; the old names are read for one release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Keys = tuple[str, ...]
"""Where a setting is: the key of each level."""

ANY = "*"
RENAMED: Mapping[Keys, str] = {
    ("backends", ANY, "elsewhere"): "simulate_remote",
    ("backends", ANY, "node", "patience"): "file_system_timeout",
    ("data", "patience"): "delivery_timeout",
    ("node", "patience"): "file_system_timeout",
    ("storages", ANY, "doors"): "aliases",
    ("vip", "patience"): "timeout",
}
"""The old name of a setting, and the new last key; of back-ends only where the kind is one of ours."""
_OUR_KINDS = ("local", "dirac", "diracx")


def new_name(keys: Keys, kind: str = "") -> Keys:
    """Find the new name of a setting. `kind`: that of its back-end, by default the name of the back-end."""
    if keys[:1] == ("backends",) and (kind or (keys[1:2] and keys[1])) not in _OUR_KINDS:
        return keys
    for old, last in RENAMED.items():
        if _matches(keys[: len(old)], old):
            return (*keys[: len(old) - 1], last, *keys[len(old) :])
    return keys


def old_names(keys: Keys) -> Iterator[Keys]:
    """Yield what a setting was called."""
    for old, last in RENAMED.items():
        if _matches(keys[: len(old)], (*old[:-1], last)):
            yield (*keys[: len(old) - 1], old[-1], *keys[len(old) :])


def with_new_names(tree: Any, above: Keys = (), kind: str = "") -> Any:
    """Write what lies below some keys in today's names; where both say something, today's name wins."""
    if not isinstance(tree, Mapping):
        return tree
    kind = _kind(tree, above, kind)
    found = {key: with_new_names(value, (*above, str(key)), kind) for key, value in tree.items()}
    for key in tree:
        new = new_name((*above, str(key)), kind)[-1]
        if new != key:
            found.setdefault(new, found[key])
            del found[key]
    return found


def written(tree: Any, above: Keys = (), kind: str = "") -> Iterator[tuple[Keys, Keys]]:
    """Yield the old names in a tree, each with the new one."""
    if not isinstance(tree, Mapping):
        return
    kind = _kind(tree, above, kind)
    for key, value in tree.items():
        keys = (*above, str(key))
        new = new_name(keys, kind)
        if new != keys:
            yield keys, new
        yield from written(value, keys, kind)


def _kind(tree: Mapping[str, Any], above: Keys, kind: str) -> str:
    is_backend = len(above) == 2 and above[0] == "backends"
    return str(tree.get("kind") or above[1]) if is_backend else kind


def _matches(keys: Keys, pattern: Keys) -> bool:
    return len(keys) == len(pattern) and all(
        one in (ANY, key) for key, one in zip(keys, pattern, strict=True)
    )
