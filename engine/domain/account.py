"""Who uses a portal: accounts, their roles and groups, and how much each may have.

An account is its id, for ever: names are shown, and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """The role of an account."""

    USER = "user"
    ADMIN = "admin"  # manages accounts, groups and pipelines, and sees every execution
    SERVICE = "service"  # another program: sees how executions stand, and reads nobody's data


@dataclass(frozen=True, slots=True)
class Group:
    """People who share data and pipelines."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Membership(Group):
    """A group that an account is in."""

    issuer: str = ""
    """The identity provider that says so; empty: an administrator does."""


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one account; None leaves one to the settings."""

    running: int | None = None
    """Executions that run at a time; further ones wait for their turn."""
    waiting: int | None = None
    """Executions that may wait."""
    jobs: int | None = None
    """Jobs of one execution."""
    bytes: int | None = None
    """Bytes of files below its home."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the portal."""

    id: str
    name: str
    role: Role = Role.USER
    groups: tuple[Membership, ...] = ()
    quota: Quota = field(default_factory=Quota)
    locked: bool = False
    created_at: float = 0.0
    issuer: str = ""
    """The identity provider that knows it; empty: it was made here."""
    subject: str = ""
    """What that provider calls it: unlike its name, nobody can choose it."""
    groups_told_at: float = 0.0
    """When the provider made the newest token that said in which groups it is."""

    @property
    def is_admin(self) -> bool:
        """Whether it manages the portal."""
        return self.role is Role.ADMIN
