"""The virtual tree of a portal: what `/vip/...` means to one account.

    /vip/Home/...             its own files
    /vip/Trash/...            what it removed
    /vip/<Name> (group)/...   what a group shares with its members
    /vip/Executions/...       records of its executions that do not lie beside their results; it is not listed

Each is a directory of the engine's storage that is named by an id. A path is taken apart once, and only the
parts are used: no later step sees text in which a `..` could hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.app.access.paths import BadPath, encoded, segments
from engine.app.access.tokens import Segments
from engine.app.portal.carmin import CarminError, Code
from engine.domain.access import may_enter_group
from engine.domain.account import Account

ROOT = "vip"
HOME, TRASH, RECORDS = "Home", "Trash", "Executions"
_GROUP = " (group)"
_RECORDS = "executions"


class Kind(StrEnum):
    """The kind of a path in the tree."""

    ABOVE = "above"  # / and /vip: they hold the roots, and nothing can be put there
    ROOT = "root"  # Home, Trash, a group: it cannot be replaced or removed
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class VirtualTarget:
    """The target of a virtual path."""

    path: Segments
    """The virtual path, `vip` first."""
    kind: Kind
    stored: Segments = ()
    """The same in the engine's storage; empty above the roots."""

    @property
    def text(self) -> str:
        """The virtual path as people write it."""
        return "/" + "/".join(self.path)


def home_of(account_id: str) -> Segments:
    """Return where an account's files are stored."""
    return (ROOT, "users", account_id, "home")


def trash_of(account_id: str) -> Segments:
    """Return where is kept what an account removed."""
    return (ROOT, "users", account_id, "trash")


def logs_of(account_id: str) -> Segments:
    """Return where lie logs and records of executions whose results go to a storage."""
    return (ROOT, "users", account_id, _RECORDS)


def is_record(stored: Segments) -> bool:
    """Say whether it is, or lies in, such a directory of somebody."""
    return len(stored) > 3 and stored[:2] == (ROOT, "users") and stored[3] == _RECORDS


def owner_of(stored: Segments) -> str:
    """Return whose quota something counts against: `users/<id>` or `groups/<id>`."""
    return "/".join(stored[1:3])


def group_of(group_id: str) -> Segments:
    """Return where a group's files are stored."""
    return (ROOT, "groups", group_id)


def roots(account: Account) -> list[str]:
    """Names of what an account sees in `/vip`."""
    return [HOME, TRASH, *(f"{group.name}{_GROUP}" for group in account.groups)]


def locate(account: Account, raw: bytes) -> VirtualTarget:
    """Return where a percent-encoded path leads.

    Raises:
        Refused: it is no path, or not for this account.
    """
    try:
        path = segments(raw)
    except BadPath as error:
        raise CarminError(Code.GENERIC, f"the path is not acceptable: {error}") from None
    return _located(account, path)


def locate_text(account: Account, text: str) -> VirtualTarget:
    """Locate a path that is written as plain text, as in the values of an execution.

    Raises:
        Refused: it is no path, or not for this account.
    """
    parts = tuple(part for part in text.split("/") if part)
    try:
        return _located(account, segments(encoded(parts).encode("ascii")))
    except BadPath as error:
        raise CarminError(Code.DATA_NOT_ALLOWED, f"the path is not acceptable: {error}") from None
    except UnicodeEncodeError:
        raise CarminError(Code.DATA_NOT_ALLOWED, "the path is not acceptable: it is no text") from None


def _located(account: Account, path: Segments) -> VirtualTarget:
    if path in ((), (ROOT,)):
        return VirtualTarget(path, Kind.ABOVE)
    if path[0] == ROOT:
        base = _base(account, path[1])
        if base is not None:
            kind = Kind.ROOT if len(path) == 2 else Kind.INSIDE
            return VirtualTarget(path, kind, (*base, *path[2:]))
    raise CarminError(
        Code.DATA_NOT_ALLOWED, "you have no access to this path", remedy="your own files are in /vip/Home"
    )


def _base(account: Account, name: str) -> Segments | None:
    if name == HOME:
        return home_of(account.id)
    if name == TRASH:
        return trash_of(account.id)
    if name == RECORDS:
        return logs_of(account.id)
    for group in account.groups:
        if name == f"{group.name}{_GROUP}" and may_enter_group(account, group.id):
            return group_of(group.id)
    return None


def is_lost(account: Account, text: str) -> bool:
    """Say whether a value is a path of a group that the account may not enter, or may not any more."""
    parts = [part for part in text.split("/") if part]
    named = text.startswith("/") and len(parts) > 1 and parts[0] == ROOT and parts[1].endswith(_GROUP)
    return named and _base(account, parts[1]) is None


def bases(account: Account) -> list[tuple[str, Segments]]:
    """Names of what an account sees, and where each is stored."""
    own = [(HOME, home_of(account.id)), (TRASH, trash_of(account.id)), (RECORDS, logs_of(account.id))]
    return own + [(f"{group.name}{_GROUP}", group_of(group.id)) for group in account.groups]


def virtual_path(seen: Sequence[tuple[str, Segments]], stored: Segments) -> str | None:
    """Return the virtual path of something in the engine's storage; None when it lies in none of the
    `bases`.
    """
    for name, base in seen:
        if stored[: len(base)] == base:
            return "/" + "/".join((ROOT, name, *stored[len(base) :]))
    return None
