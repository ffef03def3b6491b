"""Who may do what: the one place that decides it. Ids decide, never names.

Every route asks here; a new route that does not is found by the tests, which walk all of them as a stranger.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from engine.domain.account import Account, Role


class Action(StrEnum):
    """An action on an execution."""

    SUMMARY = "summary"  # how it stands
    READ = "read"  # its values, logs and results
    CHANGE = "change"  # kill it, rename it, delete it


def may_touch_execution(account: Account, owner: str, action: Action) -> bool:
    """Say whether an account may do this with the execution of `owner` (an id)."""
    if account.id == owner or account.is_admin:
        return True
    return account.role is Role.SERVICE and action is Action.SUMMARY


def may_launch(account: Account) -> bool:
    """Say whether it may start executions at all."""
    return not account.locked


def may_use_pipeline(account: Account, groups: Collection[str]) -> bool:
    """Say whether it may see and launch a pipeline of these groups (ids); one without groups is
    everybody's.
    """
    return account.is_admin or not groups or any(group.id in groups for group in account.groups)


def may_enter_group(account: Account, group: str) -> bool:
    """Say whether it may read and write the files that a group (its id) shares."""
    return any(each.id == group for each in account.groups)


def may_administer(account: Account) -> bool:
    """Say whether it may manage accounts, groups and pipelines."""
    return account.is_admin
