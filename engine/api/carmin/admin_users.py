"""What administrators do with accounts and groups: `/admin/users` and `/admin/groups`, not of CARMIN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from engine.api.carmin.administrator import TAG, Administrator
from engine.app.portal.administration import Administration
from engine.app.portal.users import Users
from engine.clock import iso
from engine.domain.account import Quota, Role
from engine.errors import BadRequest

Name = Annotated[str, Field(max_length=255)]
Count = Annotated[int | None, Field(ge=0, lt=2**31)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", from_attributes=True)


class GroupModel(_Document):
    """People who share files and pipelines."""

    id: str
    name: str


class MembershipModel(GroupModel):
    """A group that an account is in."""

    issuer: str
    """The identity provider that says so; empty: an administrator does."""


class QuotaModel(_Document):
    """The limits of an account; null is as the settings say."""

    running: Count = None
    waiting: Count = None
    jobs: Count = None
    bytes: Annotated[int | None, Field(ge=0, lt=2**63)] = None


class AccountModel(_Document):
    """An account as administrators see it."""

    id: str
    name: str
    role: Role
    groups: list[MembershipModel]
    quota: QuotaModel
    locked: bool
    created_at: float
    """Seconds since 1970-01-01 UTC."""
    issuer: str
    """The identity provider that knows it; empty: it was made here."""
    subject: str
    """What that provider calls it."""
    groups_told_at: float
    """When the provider made the newest token that told groups: seconds since 1970-01-01 UTC."""


class NewAccount(_Document):
    """An account that is to be made."""

    name: Name
    role: Role = Role.USER
    groups: Annotated[list[Name], Field(max_length=1000)] = Field(default_factory=list)
    """Names of the groups that it is in."""


class MadeAccount(AccountModel):
    """An account that was made."""

    key: str
    """Its first API key, shown this once."""


class AccountChange(_Document):
    """A change of an account; what is left out, or null, stays as it is."""

    role: Role | None = None
    locked: bool | None = None
    quota: QuotaModel | None = None
    """The whole of it: what is left out in there is as the settings say."""
    password: Annotated[str | None, Field(max_length=1000)] = None
    revoke: bool = False
    """Whether its executions are cancelled, and its sessions, claims and tokens made worthless."""


class NewName(_Document):
    """The name that a key or a group is to have."""

    name: Name


class KeyModel(_Document):
    """The record of a key, without the key."""

    name: str
    made: str


class MadeKey(_Document):
    """A key, shown this once."""

    key: str


def user_routes(
    users: Users, administration: Callable[[str], Administration], end_all: Callable[[str, str], object]
) -> APIRouter:
    """`/admin/users...`. `administration` does things in the name of an account, `end_all` cancels what an
    account has, in the name of another.
    """
    router = APIRouter(prefix="/admin/users", tags=[TAG])

    @router.get("", response_model=list[AccountModel])
    def every(caller: Administrator) -> list[AccountModel]:
        """Every account."""
        return [AccountModel.model_validate(one) for one in users.all()]

    @router.post("", response_model=MadeAccount, status_code=201)
    def add(wanted: NewAccount, caller: Administrator) -> MadeAccount:
        """Make an account, with a first API key."""
        made, key = administration(caller.id).add_user(wanted.name, wanted.role, wanted.groups)
        return MadeAccount(**AccountModel.model_validate(made).model_dump(), key=key)

    @router.patch("/{name}", response_model=AccountModel)
    def change(name: str, wanted: AccountChange, caller: Administrator) -> AccountModel:
        """Change role, quotas or password of an account, or lock and unlock it: all of it, or nothing.

        Nobody takes the role of an administrator from themselves: the last one could not give it back.
        """
        if name == caller.name and (wanted.locked or wanted.role not in (None, caller.role)):
            raise BadRequest(f"{name} is the account that asks", remedy="have another administrator do it")
        quota = Quota(**wanted.quota.model_dump()) if wanted.quota else None
        changed = administration(caller.id).change_user(
            name,
            role=wanted.role,
            locked=wanted.locked,
            quota=quota,
            password=wanted.password,
            revoke=wanted.revoke,
        )
        if wanted.revoke:
            end_all(changed.id, caller.id)
        return AccountModel.model_validate(changed)

    @router.get("/{name}/keys", response_model=list[KeyModel])
    def keys(name: str, caller: Administrator) -> list[KeyModel]:
        """Return which API keys an account has; never the keys."""
        found = administration(caller.id).user_keys(name)
        return [KeyModel(name=one.name, made=iso(one.created_at)) for one in found]

    @router.post("/{name}/keys", response_model=MadeKey, status_code=201)
    def new_key(name: str, wanted: NewName, caller: Administrator) -> MadeKey:
        """Make a further API key."""
        return MadeKey(key=administration(caller.id).new_key(name, wanted.name))

    @router.delete("/{name}/keys/{key:path}", status_code=204)
    def revoke(name: str, key: str, caller: Administrator) -> Response:
        """Make a key worthless from now on."""
        administration(caller.id).revoke_key(name, key)
        return Response(status_code=204)

    return router


def group_routes(users: Users, administration: Callable[[str], Administration]) -> APIRouter:
    """`/admin/groups...`."""
    router = APIRouter(prefix="/admin/groups", tags=[TAG])

    @router.get("", response_model=list[GroupModel])
    def every(caller: Administrator) -> list[GroupModel]:
        """Every group."""
        return [GroupModel.model_validate(one) for one in users.groups()]

    @router.post("", response_model=GroupModel, status_code=201)
    def add(wanted: NewName, caller: Administrator) -> GroupModel:
        """Make a group."""
        return GroupModel.model_validate(administration(caller.id).add_group(wanted.name))

    @router.put("/{group}/members/{name}", status_code=204)
    def join(group: str, name: str, caller: Administrator) -> Response:
        """Make an account a member."""
        administration(caller.id).join(group, name)
        return Response(status_code=204)

    @router.delete("/{group}/members/{name}", status_code=204)
    def leave(group: str, name: str, caller: Administrator) -> Response:
        """End a membership."""
        administration(caller.id).remove_member(group, name)
        return Response(status_code=204)

    return router
