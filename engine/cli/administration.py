"""Accounts, groups, pipelines, the audit trail and sites for the commands about them: of this machine's
database, or of a daemon elsewhere (`--server`), in the same words. Access is decided by the daemon; whoever
may write the database of this machine needs no leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.cli.session import session
from engine.terminal import plain

if TYPE_CHECKING:
    from engine.client import Client
    from engine.wiring import Engine

Fields = Mapping[str, Any]


def administration() -> Here | Client:
    """Return the administration of the daemon that was named, or of this machine."""
    from engine.cli.remote_session import connected

    return connected() if session.server else Here(session.engine)


class Here:
    """Administration of this machine's own database; see `engine.client.administration` for each method."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def users(self) -> Sequence[Fields]:
        """Every account."""
        return [plain(one) for one in self._engine.users.all()]

    def add_user(self, name: str, role: str, groups: Sequence[str]) -> Fields:
        """Make an account, with a first key."""
        from engine.domain.account import Role

        made, key = self._engine.administration.add_user(name, Role(role), groups)
        return {**plain(made), "key": key}

    def user_keys(self, name: str) -> Sequence[Fields]:
        """Return which API keys an account has."""
        from engine.clock import iso

        found = self._engine.administration.user_keys(name)
        return [{"name": one.name, "made": iso(one.created_at)} for one in found]

    def new_key(self, name: str, purpose: str) -> str:
        """Make a further API key."""
        return self._engine.administration.new_key(name, purpose)

    def revoke_key(self, name: str, purpose: str) -> None:
        """Make a key worthless."""
        self._engine.administration.revoke_key(name, purpose)

    def set_role(self, name: str, role: str) -> None:
        """Change what an account is for."""
        from engine.domain.account import Role

        self._engine.administration.change_user(name, role=Role(role))

    def set_locked(self, name: str, locked: bool, now: bool = False) -> None:
        """Lock an account, or let it in again; `now`: end and revoke all that it has."""
        from engine.app.portal.audited_actions import local_actor
        from engine.app.portal.ending import end_all

        ours = self._engine
        account = ours.administration.change_user(name, locked=locked, revoke=now)
        if now:
            end_all(ours.db, ours.trail, ours.app_of(account.id), account.id, local_actor())

    def set_quota(self, name: str, quota: Mapping[str, int | None]) -> None:
        """Set how much an account may have."""
        from engine.domain.account import Quota

        self._engine.administration.change_user(name, quota=Quota(**quota))

    def set_password(self, name: str, password: str) -> None:
        """Set a password."""
        self._engine.administration.change_user(name, password=password)

    def groups(self) -> Sequence[Fields]:
        """Every group."""
        return [plain(one) for one in self._engine.users.groups()]

    def add_group(self, name: str) -> None:
        """Make a group."""
        self._engine.administration.add_group(name)

    def join(self, group: str, name: str) -> None:
        """Make an account a member."""
        self._engine.administration.join(group, name)

    def remove_member(self, group: str, name: str) -> None:
        """End a membership."""
        self._engine.administration.remove_member(group, name)

    def published(self) -> Sequence[Fields]:
        """List every pipeline that is offered."""
        return [self._published(one) for one in self._engine.pipelines.all()]

    def _published(self, one: Any, warnings: Sequence[str] = ()) -> Fields:
        return {
            "identifier": one.identifier,
            "descriptor": one.descriptor_sha256,
            "groups": self._engine.pipelines.group_names(one),
            "trusted": one.trusted,
            "warnings": list(warnings),
        }

    def publish(
        self, descriptor: Fields, groups: Sequence[str] = (), *, identifier: str = "", replace: bool = False
    ) -> Fields:
        """Offer a descriptor."""
        made, found = self._engine.publishing.add_document(
            descriptor, groups, identifier=identifier, replace=replace
        )
        return self._published(made, [f"{one.where}: {one.message}" for one in found])

    def share(self, identifier: str, groups: Sequence[str]) -> None:
        """Say who may use a pipeline."""
        self._engine.publishing.share(identifier, groups)

    def trust(self, identifier: str, *, trusted: bool) -> None:
        """Trust a pipeline, or do so no more."""
        self._engine.publishing.trust(identifier, trusted=trusted)

    def withdraw(self, identifier: str) -> None:
        """Offer a pipeline no more."""
        self._engine.publishing.withdraw(identifier)

    def proposals(self, *, decided: bool = False) -> Sequence[Fields]:
        """List the proposals of everybody."""
        return self._engine.proposing.all(decided=decided)

    def proposal(self, id_: str) -> Fields:
        """One proposal, looked through."""
        return self._engine.proposing.examine(id_)

    def publish_proposal(
        self, id_: str, groups: Sequence[str] = (), *, identifier: str = "", replace: bool = False
    ) -> str:
        """Publish what was proposed."""
        made = self._engine.proposing.publish(id_, groups, identifier=identifier, replace=replace)
        return made.identifier

    def refuse_proposal(self, id_: str, why: str) -> None:
        """Refuse what was proposed."""
        self._engine.proposing.refuse(id_, why)

    def audit_lines(self, after: int) -> Iterable[Fields]:
        """List the lines of the audit trail."""
        return self._engine.trail.lines(after)

    def audit_head(self) -> Fields:
        """Its end."""
        return self._engine.trail.published_head()

    def who(self, what: str, time: str) -> Sequence[Fields]:
        """Return whose a job of a back-end was, or what ran on a host at a time."""
        from engine.app.portal.tracing import who

        return who(self._engine.db, what, time)

    def audit_problems(self, heads: Sequence[Fields]) -> Iterable[str]:
        """List what is wrong with it."""
        from engine.app.portal.audit import head_of

        return self._engine.trail.problems([head_of(one) for one in heads])

    def usage(self, by: Sequence[str], since: str, until: str) -> Sequence[Fields]:
        """Sum up what the work of users has taken."""
        from engine.app.usage import usage_of

        return usage_of(self._engine.db, by, since, until)

    def set_paused(self, backend: str, paused: bool) -> bool:
        """Pause a back-end, or resume it."""
        return self._engine.paused_backends.set(backend, paused=paused)

    def sites(self, backend: str) -> Sequence[Fields]:
        """Return where jobs ran."""
        from engine.app.health.grid import sites_of

        return [plain(one) for one in sites_of(self._engine.db, self._engine.clock.now(), backend)]
