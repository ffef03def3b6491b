"""Pipelines that users propose: looked through when they come, and published or refused by administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from engine.app.planner import validator
from engine.app.portal.audit import AuditTrail
from engine.app.portal.audited_actions import AuditedActions
from engine.app.portal.examining import examined
from engine.app.portal.identifiers import REMEDY, identifier_problem
from engine.app.portal.publishing import Publishing
from engine.app.portal.values import shown
from engine.clock import Clock, iso
from engine.errors import BadRequest, NotFound
from engine.ids import new_id
from engine.planning import Descriptor, compile_tool
from engine.planning.finding import ERROR
from engine.planning.lint import lint
from engine.store import accounts, descriptors, pipelines, proposals
from engine.store.database import Database
from engine.store.pipelines import Pipeline
from engine.store.proposals import Proposal, ProposalState

MOST = 20
"""Proposals of an account that may be open."""
LONGEST = 2000
"""Characters of a note, or of the reason of a refusal."""
Check = Callable[[str, Mapping[str, Any]], object]
"""Returns if a descriptor of an account may be looked through here."""


class Proposing(AuditedActions):
    """Proposals, in the name of somebody."""

    def __init__(
        self, db: Database, trail: AuditTrail, clock: Clock, by: str, check: Check = lambda *_: None
    ) -> None:
        super().__init__(db, trail, clock, by)
        self._publishing = Publishing(db, trail, clock, by)
        self._check = check

    def propose(self, data: Mapping[str, Any], identifier: str = "", note: str = "") -> Mapping[str, Any]:
        """Propose a descriptor, as `identifier` or as its own `name/tool-version`; gives the proposal as it
        is told, with the warnings of lint.

        Raises:
            BadRequest: it could not be published as it is, or too many of the account are open.
        """
        _check_words("note", note)
        self._check(self._by, data)
        descriptor = Descriptor.of(data)
        compiled = compile_tool(descriptor)
        found = lint(compiled, descriptor.data)
        if wrong := [f"descriptor: {one.where}: {one.message}" for one in found if one.level == ERROR]:
            raise BadRequest(wrong[0], problems=wrong)
        identifier = identifier or f"{compiled.tool.name}/{compiled.tool.version}"
        if problem := identifier_problem(identifier):
            raise BadRequest(f"{shown(identifier)} is no identifier of a pipeline: {problem}", remedy=REMEDY)
        now = self._clock.now()
        new = Proposal(new_id(), self._by, identifier, descriptor.sha256, note, now)
        with self._action("proposal.add") as doing:
            accounts.lock(doing.connection, self._by)
            if proposals.count_open(doing.connection, self._by) >= MOST:
                raise BadRequest(
                    f"{MOST} proposals of yours wait for an administrator", remedy="withdraw some of them"
                )
            descriptors.store(
                doing.connection, descriptor.sha256, descriptor.data, checked_by=validator(), now=now
            )
            proposals.add(doing.connection, new)
            doing.fields.update(pipeline=identifier, descriptor_sha256=descriptor.sha256)
        return {**_summary(new), "warnings": [f"{one.where}: {one.message}" for one in found]}

    def mine(self) -> list[Mapping[str, Any]]:
        """All of the account, with what has become of them."""
        with self._db.read() as connection:
            return [_summary(one) for one in proposals.every(connection, self._by, decided=True)]

    def withdraw(self, id_: str) -> None:
        """Take one's own proposal back.

        Raises:
            NotFound: the account has none of this id.
            BadRequest: it is decided already.
        """
        with self._action("proposal.withdraw") as doing:
            found = _open(doing.connection, id_, self._by)
            proposals.decide(doing.connection, id_, ProposalState.WITHDRAWN, "", now=self._clock.now())
            doing.fields.update(pipeline=found.identifier, descriptor_sha256=found.descriptor_sha256)

    # --- for administrators -----------------------------------------------------------------------

    def all(self, *, decided: bool = False) -> list[Mapping[str, Any]]:
        """Return those of everybody that are open, or also those that are decided."""
        with self._db.read() as connection:
            names = {one.id: one.name for one in accounts.every(connection)}
            found = proposals.every(connection, decided=decided)
        return [{**_summary(one), "user": names.get(one.account_id, "")} for one in found]

    def examine(self, id_: str) -> Mapping[str, Any]:
        """One proposal with all that is to be known before it is published: lint, plan, digests, tests.

        Raises:
            NotFound: there is none of this id.
        """
        with self._db.read() as connection:
            found = _known(connection, id_)
            account = accounts.by_id(connection, found.account_id)
            data = descriptors.data(connection, found.descriptor_sha256)
            there = pipelines.get(connection, found.identifier)
            used = there is not None and pipelines.is_used(connection, found.identifier)
        if there is None or there.descriptor_sha256 == found.descriptor_sha256:
            replaces = ""
        else:
            replaces = (
                "a pipeline that was used, and is never replaced"
                if used
                else "a pipeline that was never used"
            )
        user = account.name if account else ""
        return {**_summary(found), "user": user, "replaces": replaces, **examined(data), "descriptor": data}

    def publish(
        self, id_: str, groups: Sequence[str] = (), *, identifier: str = "", replace: bool = False
    ) -> Pipeline:
        """Publish what was proposed: see `Publishing.add`.

        Raises:
            NotFound: there is no such proposal, or no such group.
            BadRequest: it is decided already, or cannot be published so.
        """
        with self._db.read() as connection:
            found = _open(connection, id_)
            data = descriptors.data(connection, found.descriptor_sha256)
        as_ = identifier or found.identifier

        def decide(connection: Connection) -> None:
            _open(connection, id_)  # nobody else was faster
            proposals.decide(connection, id_, ProposalState.PUBLISHED, as_, now=self._clock.now())

        made, _ = self._publishing.add(
            Descriptor.of(data), groups, identifier=as_, replace=replace, also=decide
        )
        return made

    def refuse(self, id_: str, why: str) -> None:
        """Refuse a proposal, with words for its user.

        Raises:
            NotFound: there is none of this id.
            BadRequest: it is decided already, or there are no words.
        """
        _check_words("reason", why)
        if not why.strip():
            raise BadRequest("a reason is needed, which the user sees")
        with self._action("proposal.refuse") as doing:
            found = _open(doing.connection, id_)
            proposals.decide(doing.connection, id_, ProposalState.REFUSED, why, now=self._clock.now())
            doing.fields.update(pipeline=found.identifier, descriptor_sha256=found.descriptor_sha256)


def _known(connection: Connection, id_: str, account_id: str = "", *, lock: bool = False) -> Proposal:
    found = proposals.get(connection, id_, lock=lock) if id_.isalnum() and id_.isascii() else None
    if found is None or (account_id and found.account_id != account_id):
        raise NotFound(f"no proposal {shown(id_)}", remedy="engine pipeline proposals shows them")
    return found


def _open(connection: Connection, id_: str, account_id: str = "") -> Proposal:
    found = _known(connection, id_, account_id, lock=True)
    if found.state is not ProposalState.OPEN:
        raise BadRequest(f"proposal {id_} is {found.state} already")
    return found


def _check_words(what: str, text: str) -> None:
    if len(text) > LONGEST or not text.replace("\n", " ").replace("\t", " ").isprintable():
        raise BadRequest(f"{what}: a text of at most {LONGEST} characters, without control characters")


def _summary(one: Proposal) -> dict[str, Any]:
    return {
        "id": one.id,
        "identifier": one.identifier,
        "state": str(one.state),
        "answer": one.answer,
        "note": one.note,
        "descriptor_sha256": one.descriptor_sha256,
        "proposed": iso(one.created_at),
        "decided": iso(one.decided_at) if one.decided_at else "",
    }
