"""Who may do what: each rule for each kind of account, so that a rule that is dropped shows."""

from __future__ import annotations

import itertools

import pytest

from engine.domain import access
from engine.domain.access import Action
from engine.domain.account import Account, Membership, Role

USER = Account("u", "ann", groups=(Membership("g1", "imaging"), Membership("g2", "genetics")))
LONE = Account("l", "carl")
ADMIN = Account("a", "root", Role.ADMIN)
SERVICE = Account("s", "portal", Role.SERVICE)
ACCOUNTS = {"user": USER, "lone": LONE, "admin": ADMIN, "service": SERVICE}


@pytest.mark.parametrize(("name", "action"), list(itertools.product(ACCOUNTS, Action)))
def test_an_execution_is_its_owners_and_administrators_and_services_see_how_it_stands(
    name: str, action: Action
) -> None:
    """Without it, somebody reads the values, logs or results of another's patients."""
    account = ACCOUNTS[name]
    assert access.may_touch_execution(account, account.id, action)
    others = access.may_touch_execution(account, "somebody", action)
    assert others is (name == "admin" or (name == "service" and action is Action.SUMMARY))


def test_an_owner_is_told_by_the_id_and_never_by_the_name() -> None:
    assert not access.may_touch_execution(USER, USER.name, Action.READ)


def test_who_is_locked_starts_nothing() -> None:
    assert access.may_launch(USER)
    assert not access.may_launch(Account("u", "ann", locked=True))
    assert not access.may_launch(Account("a", "root", Role.ADMIN, locked=True))


@pytest.mark.parametrize(
    ("groups", "who"),
    [
        ((), {"user", "lone", "admin", "service"}),
        (("g1",), {"user", "admin"}),
        (("g2",), {"user", "admin"}),
        (("g3",), {"admin"}),
        (("g3", "g2"), {"user", "admin"}),
        (("imaging",), {"admin"}),
    ],
)
def test_a_pipeline_is_of_its_groups_and_without_groups_everybodys(
    groups: tuple[str, ...], who: set[str]
) -> None:
    assert {name for name, one in ACCOUNTS.items() if access.may_use_pipeline(one, groups)} == who


def test_files_of_a_group_are_its_members_alone() -> None:
    entering = {name for name, one in ACCOUNTS.items() if access.may_enter_group(one, "g2")}
    assert entering == {"user"}, "an administrator is no member either"


def test_administrators_alone_administer() -> None:
    assert {name for name, one in ACCOUNTS.items() if access.may_administer(one)} == {"admin"}
    assert {name for name, one in ACCOUNTS.items() if one.is_admin} == {"admin"}


def test_a_new_account_is_an_ordinary_one_without_limits_of_its_own() -> None:
    made = Account("x", "x")
    assert (made.role, made.groups, made.locked, made.issuer) == (Role.USER, (), False, "")
    assert (made.quota.running, made.quota.waiting, made.quota.jobs, made.quota.bytes) == (None,) * 4
