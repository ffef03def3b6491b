"""What an identity provider says of somebody's groups, compared with the keys of a map of the settings.

Source: AARC-G069, "Guidelines for expressing group membership and role information", and RFC 8141 for what
makes two URNs the same: scheme and namespace in any case, percent-encodings in any case, and no look at what
follows `#` (the authority, which AARC-G002 had and AARC-G069 deprecates).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
_NAMESPACE = 3
"""Pieces that it has at least: `urn`, the namespace's identifier, and a name in there."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A group with its parents, and perhaps a role in it."""

    namespace: str
    groups: tuple[str, ...]
    """The group, below the groups that it is in."""
    role: str
    """Empty: none is told."""
    authority: str
    """Who says so; empty: it is not told."""


class GroupMap:
    """Which group stands for what a provider says."""

    def __init__(self, map_: Mapping[str, str]) -> None:
        self._texts: dict[str, str] = {}
        self._wanted: dict[tuple[str, tuple[str, ...], str], list[tuple[str, str]]] = {}
        for key, group in map_.items():
            wanted = parse(key)
            if wanted is None:
                self._texts[key] = group
            else:
                membership = (wanted.namespace, wanted.groups, wanted.role)
                self._wanted.setdefault(membership, []).append((wanted.authority, group))
        self._deepest = max((len(groups) for _, groups, _ in self._wanted), default=0)

    def names(self, values: list[str]) -> frozenset[str]:
        """Find the groups that stand for these values.

        A key that is an entitlement is met by one of the same group: with any role, and in any group below
        it, when the key names no role; with the same role in this very group when it does. An authority
        counts where the key names one. Other keys are met by the same text.
        """
        found = {self._texts[one] for one in values if one in self._texts}
        for one in values:
            if self._wanted and (held := parse(one)):
                found.update(self._met_by(held))
        return frozenset(found)

    def _met_by(self, held: Entitlement) -> list[str]:
        memberships = {(held.namespace, held.groups[:deep], "") for deep in range(1, self._deepest + 1)}
        memberships.add((held.namespace, held.groups, held.role))
        return [
            group
            for membership in memberships
            for authority, group in self._wanted.get(membership, ())
            if authority in ("", held.authority)
        ]


def parse(text: str) -> Entitlement | None:
    """Read an entitlement; None for a text that is none."""
    named, _, authority = text.partition("#")
    pieces = named.split(":")
    if pieces[0].lower() != "urn" or "group" not in pieces[_NAMESPACE:] or "?" in named:
        return None
    at = pieces.index("group", _NAMESPACE)
    namespace, groups, role = pieces[:at], pieces[at + 1 :], ""
    for number, piece in enumerate(groups):
        if number and piece.startswith("role="):
            role = ":".join(groups[number:]).removeprefix("role=")
            groups = groups[:number]
            if not role:
                return None
            break
    if not groups or not all((*namespace, *groups)):
        return None
    return Entitlement(
        ":".join(namespace).lower(), tuple(map(_plain, groups)), _plain(role), _plain(authority)
    )


def values_of(claims: Mapping[str, Any], name: str) -> tuple[list[str], str]:
    """Read the texts of a claim, and what is wrong with it (empty: nothing). One text is a list of one; what
    is no text is nobody's group.
    """
    claim = claims.get(name)
    if claim is None:
        return [], ""
    if isinstance(claim, str):
        return [claim], ""
    if not isinstance(claim, list):
        return [], f"it is no list of texts, but {type(claim).__name__}"
    texts = [one for one in claim if isinstance(one, str)]
    others = len(claim) - len(texts)
    return texts, f"{others} of its values are no texts" if others else ""


def _plain(text: str) -> str:
    return _ENCODED.sub(lambda found: found.group().upper(), text)
